package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nearside/policy"
)

// completionLimit is how long a shell waits for the daemon.
const completionLimit = time.Second

// modelNames are what --model may be: as the daemon says, else as the config
// does.
func (g *globals) modelNames(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	if known, err := g.askedModels(c.Context()); err == nil {
		return known, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := g.load()
	if err != nil {
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	if !cfg.Local.Disabled {
		for _, m := range cfg.Local.Models {
			names = append(names, "local/"+m.Name)
		}
	}
	for _, t := range cfg.Cloud.Targets {
		names = append(names, "cloud/"+t.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// askedModels are the names that the daemon knows.
func (g *globals) askedModels(ctx context.Context) (names []string, err error) {
	d, err := g.daemon()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, completionLimit)
	defer cancel()
	var list struct{ Data []struct{ ID string } }
	if err := d.get(ctx, "/v1/models", &list); err != nil {
		return nil, err
	}
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	return names, nil
}

// yamlFiles completes the name of a config or a policy.
func yamlFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// complete tells shells what flags and arguments may be.
func (g *globals) complete(root *cobra.Command) {
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	for _, path := range [][]string{{"config", "check"}, {"policy", "check"}} {
		if c, _, err := root.Find(path); err == nil {
			c.ValidArgsFunction = yamlFiles
		}
	}
	for _, c := range root.Commands() {
		if c.Flags().Lookup("state") != nil {
			_ = c.MarkFlagDirname("state")
		}
		if c.Flags().Lookup("model") != nil {
			_ = c.RegisterFlagCompletionFunc("model", g.modelNames)
			c.ValidArgsFunction = cobra.NoFileCompletions // a question
		}
	}
}
