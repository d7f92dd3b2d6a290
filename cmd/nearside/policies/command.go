// Package policies is nearside policy: showing, checking, testing, linting,
// comparing, replaying and simulating policies from the command line. What they
// find is told to people as text and to programs as JSON.
package policies

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/policies"
	"nearside/agent/config/strict"
	"nearside/agent/config/written"
	"nearside/cmd/nearside/shell"
)

// Load reads the policy the config names, or the built-in one. Its errors name
// file, line and field.
func Load(cfg *config.Config) (*agent.Policy, error) {
	p, err := cfg.LoadPolicy()
	if err != nil {
		return nil, err
	}
	return &agent.Policy{Doc: p.Doc, Digest: p.Digest, Source: p.Source}, nil
}

// Command is nearside policy with all under it.
func Command(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Show, apply, check, try and compare policies"}
	c.AddCommand(showCmd(g), applyCmd(g), resetCmd(g), checkCmd(g), testCmd(g), lintCmd(g), diffCmd(g), replayCmd(g), simulateCmd(g), schemaCmd())
	return c
}

// policyShow is which policy to show: that in force, or the text of one that is
// built in.
type policyShow struct {
	builtin bool
	profile string
	cases   bool
}

func showCmd(g *shell.Globals) *cobra.Command {
	var p policyShow
	c := &cobra.Command{
		Use: "show", Short: "Show which policy the daemon has in force, or the text of one that is built in", Args: cobra.NoArgs,
		Long: `Show which policy the daemon has in force, where it came from, who signed it, what
was refused or rolled back, and why. With --default or --profile print the
text of a policy that is built in, as a file to begin with, or with --cases what
holds of it, for nearside policy test. In the config such a policy is named by
policy: profile:NAME.`,
		Example: `  nearside policy show
  nearside policy show --profile car > policy.yaml
  nearside policy show --profile car --cases > cases.yaml`,
		RunE: func(c *cobra.Command, _ []string) error {
			switch named := p.builtin || p.profile != ""; {
			case p.builtin && p.profile != "":
				return shell.Usage("give --default or --profile, not both")
			case p.cases && !named:
				return shell.Usage("--cases are those of a built-in policy; add --profile NAME")
			case named:
				return p.text(c, g.JSON)
			}
			return inForce(c, g)
		},
	}
	c.Flags().BoolVar(&p.builtin, "default", false, "print the text of the default policy")
	c.Flags().StringVar(&p.profile, "profile", "", "print the text of the built-in policy `NAME`")
	c.Flags().BoolVar(&p.cases, "cases", false, "print the cases that hold of it in place of it")
	_ = c.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(profiles(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// text prints a policy that is built in, or its cases.
func (p *policyShow) text(c *cobra.Command, asJSON bool) error {
	name := cmp.Or(p.profile, policies.Default)
	doc, _, text, err := written.Profile(name)
	if err != nil {
		return shell.BadInput(err)
	}
	if p.cases {
		text, _ = policies.Cases(name)
	} else if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(doc)
	}
	_, err = fmt.Fprint(c.OutOrStdout(), text)
	return err
}

func schemaCmd() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of policy documents, for editors and pipelines", Args: cobra.NoArgs,
		Example: `  nearside policy schema > policy.schema.json`,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), policies.Schema)
			return err
		},
	}
}

func checkCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a policy file; nothing is changed", Args: cobra.ExactArgs(1),
		ValidArgsFunction: shell.YAMLFiles,
		Long: `Check a policy file as the daemon would before it takes it; nothing is changed.
What its rules say of targets is held against the config, if there is one.
With --json the faults of a bad one are on standard output, too.`,
		RunE: func(c *cobra.Command, args []string) error { return check(c, g, args[0]) },
	}
}

func check(c *cobra.Command, g *shell.Globals, path string) error {
	known, err := targets(g)
	if err != nil {
		return shell.BadInput(err)
	}
	doc, digest, err := written.LoadPolicyFor(known, path)
	switch {
	case err != nil && g.JSON:
		return cmp.Or(shell.PrintJSON(c, map[string]any{"file": path, "ok": false, "faults": strict.Faults(err)}), shell.BadInput(err))
	case err != nil:
		return shell.BadInput(err)
	case g.JSON:
		return shell.PrintJSON(c, map[string]any{"file": path, "ok": true, "version": doc.Version, "digest": digest, "rules": len(doc.Rules)})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: ok (version %d, digest %.8s, %d rules)\n", path, doc.Version, digest, len(doc.Rules))
	return nil
}
