package policies

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nearside/agent/config/written"
	"nearside/cmd/nearside/shell"
	"nearside/policy/simulate"
)

// simulateFlags say which day is lived.
type simulateFlags struct {
	policyFlags
	scenario string
	show     bool
	seed     uint64
	svg      string
}

func simulateCmd(g *shell.Globals) *cobra.Command {
	f := &simulateFlags{}
	c := &cobra.Command{
		Use: "simulate", Short: "Live a day by a policy: asks, outages, heat and battery as a scenario says", Args: cobra.NoArgs,
		Long: `Live a day by a policy, in virtual time: asks come as a scenario says, the network
goes and comes back, the device gets hot and its battery empty, targets fail. The
policy decides as it would; what targets do is a model of a few numbers. Every
profile has a day of its own; --scenario takes another. The same seed gives the
same day. Nobody is asked, and no daemon is needed.`,
		Example: `  nearside policy simulate --profile car
  nearside policy simulate --profile phone --svg phone.svg
  nearside policy simulate --policy mine.yaml --scenario day.yaml --seed 7 --json
  nearside policy simulate --profile car --show > day.yaml`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, g) },
	}
	f.add(c)
	c.Flags().StringVar(&f.scenario, "scenario", "", "scenario `FILE` (default: the day of the profile)")
	_ = c.MarkFlagFilename("scenario", "yaml", "yml")
	c.Flags().BoolVar(&f.show, "show", false, "print the scenario and live nothing")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "of what is left to chance")
	c.Flags().StringVar(&f.svg, "svg", "", "draw the day into `FILE`")
	return c
}

func (f *simulateFlags) run(c *cobra.Command, g *shell.Globals) error {
	p, err := f.load(g)
	if err != nil {
		return err
	}
	s, text, err := f.day()
	if err != nil {
		return shell.BadInput(err)
	}
	if f.show {
		_, err := fmt.Fprint(c.OutOrStdout(), text)
		return err
	}
	day := simulate.Run(simulate.Options{Policy: p.Doc, Scenario: s, Seed: f.seed})
	if f.svg != "" {
		if err := os.WriteFile(f.svg, []byte(day.SVG()), 0o644); err != nil {
			return fmt.Errorf("draw the day: %w", err)
		}
	}
	if g.JSON {
		return shell.PrintJSON(c, struct {
			Policy string `json:"policy"`
			*simulate.Day
		}{p.String(), day})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s by policy %s (%s), seed %d\n\n", s.Name, p, p.Source, f.seed)
	printDay(c.OutOrStdout(), day)
	return nil
}

// day is the scenario and its text.
func (f *simulateFlags) day() (*simulate.Scenario, string, error) {
	if f.scenario == "" {
		name := cmp.Or(f.profile, "default")
		return written.Scenario(name)
	}
	s, err := written.LoadScenario(f.scenario)
	if err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(f.scenario)
	return s, string(text), err
}

// printDay tells a day to a person.
func printDay(w io.Writer, d *simulate.Day) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "from\tphase\tasks\tlocal\tcloud\tcache\tstale\tnone\tms\tUSD\treasons")
	for _, p := range append(slices.Clone(d.Phases), d.Total) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\t%.4f\t%s\n", p.From, p.Name, p.Asks, p.Routes["local"], p.Routes["cloud"],
			p.Routes["cache"], p.Routes["stale"], p.Routes["none"], p.MS, p.CostUSD, frequent(p.Reasons))
	}
	t.Flush()
	fmt.Fprintf(w, "\n%d crossings, at most %d changes of route after one\n", len(d.Crossings), d.Changes)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range d.Crossings {
		if c.Changes > 0 {
			fmt.Fprintf(t, "  %s\t%s\t%d, %s\n", c.At, strings.Join(c.What, ", "), c.Changes, c.Ask)
		}
	}
	t.Flush()
	if len(d.Drifts) > 0 {
		fmt.Fprintf(w, "changes of route that only the targets' own figures made: %s\n", frequent(d.Drifts))
	}
}

// frequent are the three names that were counted most often.
func frequent(counts map[string]int) string {
	names := slices.Collect(maps.Keys(counts))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	var all []string
	for _, n := range names[:min(len(names), 3)] {
		all = append(all, fmt.Sprintf("%s %d", n, counts[n]))
	}
	return strings.Join(all, ", ")
}
