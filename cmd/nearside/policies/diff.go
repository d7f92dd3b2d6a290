package policies

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/cmd/nearside/shell"
	"nearside/policy/cases"
	"nearside/policy/diff"
)

func diffCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "Compare two policies by what they mean", Args: cobra.ExactArgs(2),
		Long: `Compare two policies by what they mean, not by how they are written: settings,
rules that were added, removed, renamed, changed or moved where their order matters,
and the asks that go elsewhere, over a grid of asks and situations made from all that
either policy tests, for a small device with two cloud targets. A and B are files or
profile:NAME. Ends with 0 whether they differ or not.`,
		Example: `  nearside policy diff profile:default mine.yaml
  nearside policy diff before.yaml after.yaml --json`,
		ValidArgsFunction: shell.YAMLFiles,
		RunE:              func(c *cobra.Command, args []string) error { return compare(c, g, args[0], args[1]) },
	}
}

func compare(c *cobra.Command, g *shell.Globals, before, after string) error {
	a, err := Named(before)
	if err != nil {
		return err
	}
	b, err := Named(after)
	if err != nil {
		return err
	}
	r := diff.Compare(a.Doc, b.Doc, cases.Fleet())
	if g.JSON {
		return shell.PrintJSON(c, struct {
			Before string `json:"before"`
			After  string `json:"after"`
			*diff.Report
		}{a.String(), b.String(), r})
	}
	PrintDiff(c.OutOrStdout(), a, b, r)
	return nil
}

// PrintDiff tells a person how two policies differ.
func PrintDiff(w io.Writer, a, b *agent.Policy, r *diff.Report) {
	fmt.Fprintf(w, "%s (%s) -> %s (%s)\n", a, a.Source, b, b.Source)
	for _, c := range r.Changes {
		switch c.Kind {
		case diff.Added:
			fmt.Fprintf(w, "+ %s: %s\n", c.Path, c.After)
		case diff.Removed:
			fmt.Fprintf(w, "- %s: %s\n", c.Path, c.Before)
		default:
			fmt.Fprintf(w, "~ %s %s: %s -> %s\n", c.Path, c.Kind, c.Before, c.After)
		}
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "they say the same")
	}
	fmt.Fprintf(w, "\n%d of %d asks tried go elsewhere\n", r.Differ, r.Tried)
	if r.Cut {
		fmt.Fprintln(w, "(there are more that could be tried)")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Moves {
		fmt.Fprintf(t, "  %s\t-> %s\t%d\n", m.From, m.To, m.Asks)
	}
	t.Flush()
	for i, e := range r.Examples {
		if i == 0 {
			fmt.Fprintln(w, "such as")
		}
		fmt.Fprintf(t, "  %s\t%s (%s)\t-> %s (%s)\n", e.With, e.From, e.Before, e.To, e.After)
	}
	t.Flush()
}
