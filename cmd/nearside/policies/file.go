package policies

import (
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	"nearside/cmd/nearside/shell"
)

// policyFlags name the policy that a command works with.
type policyFlags struct {
	file    string
	profile string
}

func (f *policyFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "policy", "", "policy `FILE` (default: the config's, else the built-in one)")
	_ = c.MarkFlagFilename("policy", "yaml", "yml")
	f.addProfile(c)
}

func (f *policyFlags) addProfile(c *cobra.Command) {
	c.Flags().StringVar(&f.profile, "profile", "", "a `NAME` of those that are built in")
	_ = c.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(profiles(), cobra.ShellCompDirectiveNoFileComp))
}

// profiles are the names of the policies that are built in.
func profiles() []string { return policies.Names() }

// load reads the policy that the flags name.
func (f *policyFlags) load(g *shell.Globals) (*agent.Policy, error) {
	switch {
	case f.file != "" && f.profile != "":
		return nil, shell.Usage("give --policy or --profile, not both")
	case f.file != "":
		return Named(f.file)
	case f.profile != "":
		return profile(f.profile)
	}
	cfg, err := g.Load()
	if err != nil {
		return nil, err
	}
	p, err := Load(cfg)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	return p, nil
}

// Named is the policy of a file, or profile:NAME. One that is not right is
// [shell.BadInput].
func Named(name string) (*agent.Policy, error) {
	if p, ok := strings.CutPrefix(name, written.ProfilePrefix); ok {
		return profile(p)
	}
	doc, digest, err := written.LoadPolicy(name)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	return &agent.Policy{Doc: doc, Digest: digest, Source: name}, nil
}

// profile is a policy that is built in.
func profile(name string) (*agent.Policy, error) {
	p, err := Load(&config.Config{Policy: written.ProfilePrefix + name})
	if err != nil {
		return nil, shell.BadInput(err)
	}
	return p, nil
}

// targets are the names of what the config can ask, nil when there is no
// config.
func targets(g *shell.Globals) ([]string, error) {
	cfg, err := configured(g)
	if err != nil || cfg == nil {
		return nil, err
	}
	return cfg.TargetNames(), nil
}

// configured is the config of this command line, nil when there is none.
func configured(g *shell.Globals) (*config.Config, error) {
	if _, ok, err := config.Find(g.Config); err != nil || !ok {
		return nil, err
	}
	return g.Load()
}
