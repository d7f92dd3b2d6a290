package policies

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/cmd/nearside/shell"
	"nearside/policy/cases"
)

func testCmd(g *shell.Globals) *cobra.Command {
	f := &policyFlags{}
	c := &cobra.Command{
		Use: "test [FILE]", Short: "Run cases against a policy: ask and signals in, the plan that is wanted out", Args: cobra.MaximumNArgs(1),
		Long: `Run the cases of a file against a policy, or without a file those that the policy
itself carries under tests. A case has an ask and signals, and says what it wants
of the plan: route, target, steps, reason, why others are not asked. Nobody is
asked, and no daemon is needed. Ends with 1 when a case fails.`,
		Example: `  nearside policy test cases.yaml
  nearside policy test cases.yaml --policy mine.yaml
  nearside policy test --policy mine.yaml
  nearside policy test cases.yaml --profile default --json`,
		ValidArgsFunction: shell.YAMLFiles,
		RunE:              func(c *cobra.Command, args []string) error { return f.test(c, g, args) },
	}
	f.add(c)
	return c
}

// cases are those of the file that the arguments name, else those that the
// policy carries.
func (f *policyFlags) cases(g *shell.Globals, args []string) (*cases.File, error) {
	if len(args) > 0 {
		return written.LoadCases(args[0])
	}
	path := f.file
	if path == "" && f.profile == "" {
		cfg, err := g.Load()
		if err != nil {
			return nil, err
		}
		path = cfg.Policy
	}
	if path == "" || f.profile != "" || strings.HasPrefix(path, written.ProfilePrefix) {
		return nil, errors.New("a built-in policy carries no tests: name a FILE of cases, such as: nearside policy show --profile NAME --cases")
	}
	d, err := written.OpenDraft(path)
	if err != nil {
		return nil, err
	}
	if d.Tests == nil {
		return nil, fmt.Errorf("%s carries no tests: name a FILE of cases, or add tests to it", path)
	}
	return d.Tests, nil
}

func (f *policyFlags) test(c *cobra.Command, g *shell.Globals, args []string) error {
	p, err := f.load(g)
	if err != nil {
		return err
	}
	file, err := f.cases(g, args)
	if err != nil {
		return shell.BadInput(err)
	}
	results := file.Run(p.Doc)
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
	}
	if g.JSON {
		err = shell.PrintJSON(c, map[string]any{"policy": p.String(), "source": p.Source, "cases": len(results), "failed": failed, "results": results})
	} else {
		err = printResults(c.OutOrStdout(), p, results)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d cases failed", failed, len(results))
	}
	return err
}

// printResults tells a person which cases failed, and how.
func printResults(w io.Writer, p *agent.Policy, results []cases.Result) error {
	passed := 0
	for _, r := range results {
		if r.OK {
			passed++
			continue
		}
		fmt.Fprintf(w, "FAIL %s\n", r.Name)
		for _, x := range r.Faults {
			fmt.Fprintf(w, "  %s: got %s, want %s\n", x.Field, orNothing(x.Got), x.Want)
		}
		for i, s := range r.Plan.Steps {
			fmt.Fprintf(w, "    %d. %-7s %s  %s\n", i+1, s.Kind, strings.Join(s.Targets(), ", "), s.Why)
		}
		for _, n := range r.Plan.NotChosen {
			fmt.Fprintf(w, "    not %s: %s\n", n.Target, n.Why)
		}
	}
	_, err := fmt.Fprintf(w, "%d of %d cases hold of %s (%s)\n", passed, len(results), p, p.Source)
	return err
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
