package lessons

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"nearside/agent/learn"
	"nearside/agent/learn/standing"
	"nearside/agent/server/status"
	"nearside/cmd/nearside/shell"
)

func calibrateLabelsCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "labels", Short: "Show what the running daemon found out about answers", Args: cobra.NoArgs,
		Long: `Show how much the running daemon found out about answers, by source, what became of
audits, and what is known of every local model. docs/OPERATE.md says what each means.`,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := g.Daemon()
			if err != nil {
				return err
			}
			var s status.Status
			if err := d.Get(c.Context(), "/v1/status", &s); err != nil {
				return err
			}
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(s.Calibration)
			}
			printLearning(c.OutOrStdout(), &s.Calibration)
			return nil
		},
	}
}

// printLearning tells a person what was found out about answers.
func printLearning(out io.Writer, r *learn.Report) {
	if r.Off {
		fmt.Fprintln(out, "learning is off (learn.disabled in the config)")
	}
	for _, source := range slices.Sorted(maps.Keys(r.Labels)) {
		fmt.Fprintf(out, "labels from %s: %d\n", source, r.Labels[source])
	}
	fmt.Fprintf(out, "audits: %d done, %d failed; today %d calls, at most %.4f USD\n", r.Audits.Done, r.Audits.Failed, r.Audits.Today.Calls, r.Audits.Today.USD)
	for _, why := range slices.Sorted(maps.Keys(r.Audits.Skipped)) {
		fmt.Fprintf(out, "  %d given up: %s\n", r.Audits.Skipped[why], why)
	}
	for _, t := range r.Targets {
		fmt.Fprintf(out, "%s: %s\n", t.Name, Standing(&t))
	}
}

// Standing is what is known of a local target, in words for a person.
func Standing(t *standing.Known) string {
	text := t.State
	if t.Version != nil {
		text += ", calibration " + *t.Version
	}
	if t.Prior != nil {
		text += ", " + *t.Prior
	}
	if t.Labels > 0 {
		text += fmt.Sprintf(", %d labels found here", t.Labels)
	}
	if t.Fault != nil {
		text += ", without what was imported: " + *t.Fault
	}
	if t.Why != nil {
		text += ": " + *t.Why
	}
	return text + reading(t.Text)
}

// reading is what the words of questions tell, in words for a person.
func reading(t *standing.Text) string {
	switch {
	case t == nil || t.Labels == 0:
		return ""
	case t.Explained == nil:
		return fmt.Sprintf("; text: %d labels, too few to tell", t.Labels)
	case t.InForce:
		return fmt.Sprintf("; text: in force, %.0f %% of the gain explained (± %.0f), %d labels", 100**t.Explained, 100**t.Error, t.Labels)
	}
	return fmt.Sprintf("; text: not in force, %.0f %% of the gain explained (± %.0f), %d labels", 100**t.Explained, 100**t.Error, t.Labels)
}
