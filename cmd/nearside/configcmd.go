package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/agent/server/control"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/entrance"
	"nearside/cmd/nearside/helm"
	"nearside/cmd/nearside/policies"
	"nearside/cmd/nearside/shell"
)

func configCmd(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check, show and reload the config"}
	c.AddCommand(configCheckCmd(g), configShowCmd(g), configReloadCmd(g))
	return c
}

func configCheckCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Check a config file and the policy it names; nothing is started", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: shell.YAMLFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				g.Config = args[0]
			}
			cfg, err := g.Load()
			if err != nil {
				return err
			}
			p, err := policies.Load(cfg)
			if err != nil {
				return shell.BadInput(err)
			}
			path, ok, _ := config.Find(g.Config)
			if !ok {
				path = "the built-in defaults"
			}
			warnings := append([]config.Warning{}, cfg.Warnings()...)
			if err := entrance.Check(c.Context(), cfg); err != nil {
				warnings = append(warnings, config.Warning{Message: "no daemon can start with this: " + err.Error(), Hint: "correct it, or check it as the user the daemon runs as"})
			}
			if err := helm.Check(cfg); err != nil {
				warnings = append(warnings, config.Warning{Message: "nobody will steer this device: " + err.Error(), Hint: "put the root document of the fleet there; nearside doctor tells more"})
			}
			for _, err := range helm.Unread(cfg) {
				warnings = append(warnings, config.Warning{Message: "a way to who steers this device will not work: " + err.Error(), Hint: "put the file there, or check it as the user the daemon runs as"})
			}
			if err := daemon.CheckGate(cfg); err != nil {
				warnings = append(warnings, config.Warning{Message: "the daemon will work without its gate: " + err.Error(), Hint: "train it again (nearside gate train), or correct local.gate"})
			}
			return printCheck(c, g, configDoc{path, true, p.String(), p.Source, warnings})
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

func printCheck(c *cobra.Command, g *shell.Globals, d configDoc) error {
	if g.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(d)
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s; %s\n", w.Message, w.Hint)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: ok (policy %s, %s)\n", d.File, d.Policy, d.Source)
	return nil
}

func configShowCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the config in force, defaults filled in, secrets as [redacted]", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := g.Load()
			if err != nil {
				return err
			}
			show := cfg.Show
			if g.JSON {
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

func configReloadCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Have the daemon read config, policy and keys again; bad ones change nothing", Args: cobra.NoArgs,
		Long: `Have the daemon read its config, the policy and the keys of the cloud targets
again, as SIGHUP does. No request is cut or lost. What is wrong with them is
printed with line and field, and nothing is changed (exit 2). What needs a
restart is named, and waits for it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return g.Show(c, "/v1/config/reload", nil, nil, func(reply io.Reader) error {
				var r control.Reloaded
				if err := json.NewDecoder(reply).Decode(&r); err != nil {
					return fmt.Errorf("read the daemon's answer: %w", err)
				}
				printReload(c, &r)
				return nil
			})
		},
	}
}

func printReload(c *cobra.Command, r *control.Reloaded) {
	out := c.OutOrStdout()
	for _, w := range r.Warnings {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s\n", w)
	}
	if len(r.Changed)+len(r.Targets) == 0 {
		fmt.Fprintln(out, "nothing to change")
	}
	for _, line := range []struct {
		what  string
		names []string
	}{{"changed", r.Changed}, {"targets", r.Targets}, {"waits for a restart", r.Restart}} {
		if len(line.names) > 0 {
			fmt.Fprintf(out, "%s: %s\n", line.what, strings.Join(line.names, ", "))
		}
	}
	if r.Before != r.After {
		fmt.Fprintf(out, "policy: %s, was %s\n", r.After, r.Before)
	}
}
