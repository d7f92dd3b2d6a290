package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nearside/agent/config"
)

func configCmd(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check and show the config"}
	c.AddCommand(configCheckCmd(g), configShowCmd(g))
	return c
}

func configCheckCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Check a config file and the policy it names; nothing is started", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				g.config = args[0]
			}
			cfg, err := g.load()
			if err != nil {
				return err
			}
			p, err := loadPolicy(cfg)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			path, ok, _ := config.Find(g.config)
			if !ok {
				path = "the built-in defaults"
			}
			return g.printCheck(c, configDoc{path, true, p.String(), p.Source, append([]config.Warning{}, cfg.Warnings()...)})
		},
	}
}

// configDoc is what `config check` prints of a config that can be used.
type configDoc struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Policy   string           `json:"policy"`
	Source   string           `json:"policy_source"`
	Warnings []config.Warning `json:"warnings"`
}

func (g *globals) printCheck(c *cobra.Command, d configDoc) error {
	if g.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(d)
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s; %s\n", w.Message, w.Hint)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: ok (policy %s, %s)\n", d.File, d.Policy, d.Source)
	return nil
}

func configShowCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the config in force, defaults filled in, secrets as [redacted]", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			show := cfg.Show
			if g.json {
				show = cfg.ShowJSON
			}
			text, err := show()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
}
