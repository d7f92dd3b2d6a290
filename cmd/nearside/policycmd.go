package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/server"
)

// loadPolicy reads the policy the config names, or the built-in one.
func loadPolicy(cfg *config.Config) (*agent.Policy, error) {
	if cfg.Policy == "" {
		doc, digest, _ := config.DefaultPolicy()
		return &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"}, nil
	}
	doc, digest, err := config.LoadPolicy(cfg.Policy)
	if err != nil {
		return nil, err
	}
	return &agent.Policy{Doc: doc, Digest: digest, Source: cfg.Policy}, nil
}

func policyCmd(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Show, check, try and compare policies"}
	c.AddCommand(policyShowCmd(g), policyCheckCmd(g), policyTestCmd(g), policyLintCmd(g), policyReplayCmd(g))
	return c
}

func policyShowCmd(g *globals) *cobra.Command {
	builtin := false
	c := &cobra.Command{
		Use: "show", Short: "Show which policy the daemon has in force; --default prints the built-in one", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if builtin {
				return showDefault(c, g.json)
			}
			d, err := g.daemon()
			if err != nil {
				return err
			}
			var s server.Status
			if err := d.get(c.Context(), "/v1/status", &s); err != nil {
				return err
			}
			if g.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(s.Policy)
			}
			fmt.Fprintf(c.OutOrStdout(), "version %d, digest %s, from %s, %s\n", s.Policy.Version, s.Policy.Digest, s.Policy.Source, s.Policy.State)
			return nil
		},
	}
	c.Flags().BoolVar(&builtin, "default", false, "print the text of the built-in policy")
	return c
}

func showDefault(c *cobra.Command, asJSON bool) error {
	doc, _, text := config.DefaultPolicy()
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(doc)
	}
	_, err := fmt.Fprint(c.OutOrStdout(), text)
	return err
}

func policyCheckCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a policy file; nothing is changed", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			doc, digest, err := config.LoadPolicy(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if g.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
					"file": args[0], "ok": true, "version": doc.Version, "digest": digest, "rules": len(doc.Rules),
				})
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok (version %d, digest %.8s, %d rules)\n", args[0], doc.Version, digest, len(doc.Rules))
			return nil
		},
	}
}
