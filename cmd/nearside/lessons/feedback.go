package lessons

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nearside/agent/learn"
	"nearside/cmd/nearside/shell"
)

// Feedback is nearside feedback.
func Feedback(g *shell.Globals) *cobra.Command {
	correct := ""
	c := &cobra.Command{
		Use: "feedback DECISION good|bad", Short: "Say whether an answer was good, so that later ones are judged better", Args: cobra.ExactArgs(2),
		Long: `Say whether the answer of a decision was good. Its id is in x-nearside-decision, in what
ask --json prints, and in /v1/decisions. A second verdict on the same decision takes
the place of the first. A corrected answer is not kept, nor is any other text.`,
		Example: `  nearside feedback d0199f2b7c3a1e5d8f0a12 bad
  nearside feedback d0199f2b7c3a1e5d8f0a12 good --json`,
		RunE: func(c *cobra.Command, args []string) error {
			said := map[string]string{"decision": args[0], "verdict": args[1]}
			if c.Flags().Changed("correct") {
				said["correct"] = correct
			}
			return feedback(c, g, said)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"good", "bad"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().StringVar(&correct, "correct", "", "what would have been right, `TEXT`")
	_ = c.RegisterFlagCompletionFunc("correct", cobra.NoFileCompletions)
	return c
}

func feedback(c *cobra.Command, g *shell.Globals, said map[string]string) error {
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return g.Show(c, "/v1/feedback", body, nil, func(reply io.Reader) error {
		var taken learn.Taken
		if err := json.NewDecoder(reply).Decode(&taken); err != nil {
			return fmt.Errorf("read the reply: %w", err)
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), told(&taken))
		return err
	})
}

// told is what became of a verdict, for a person.
func told(t *learn.Taken) string {
	switch {
	case !t.Kept:
		return "not kept: learning is off (learn.disabled in the config)"
	case t.Replaced:
		return "the answer of " + t.Target + " is " + t.Verdict + " now; the verdict before is gone"
	}
	return "the answer of " + t.Target + " is " + t.Verdict
}
