package policies

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/agent/config/written"
	"nearside/agent/task"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/tables"
	"nearside/local/weights"
	"nearside/policy/lint"
)

func lintCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE", Short: "Look for what a policy says and cannot mean", Args: cobra.ExactArgs(1),
		Long: `Look for rules that can never match or change nothing, rules that work against
each other, bands that are inverted or empty, thresholds that were never measured,
and names that nothing has. Targets are held against the config, if there is one.
Ends with 1 when a finding is an error, with 0 when all are warnings.`,
		Example: `  nearside policy lint mine.yaml
  nearside --config car.yaml policy lint mine.yaml --json`,
		ValidArgsFunction: shell.YAMLFiles,
		RunE:              func(c *cobra.Command, args []string) error { return lintFile(c, g, args[0]) },
	}
}

// known is what a policy is held against: the config's targets, if there is a
// config. A gate was measured when it was trained.
func known(g *shell.Globals) (lint.Known, error) {
	k := lint.Known{Tasks: task.Names()}
	cfg, err := configured(g)
	if err != nil {
		return k, err
	}
	standard, err := tables.Standard()
	if err != nil {
		return k, err
	}
	if cfg == nil {
		k.Calibrated = []string{standard.Name}
		return k, nil
	}
	k.Targets, k.Calibrated = cfg.TargetNames(), measured(cfg, standard.Name)
	if gate := cfg.Local.Gate; gate != nil {
		k.Calibrated = append(k.Calibrated, gate.Name())
	}
	return k, nil
}

// measured are the models of a config that have a calibration, and the standard
// one, unless the config has another model of that name.
func measured(cfg *config.Config, standard string) []string {
	names := []string{}
	if !slices.ContainsFunc(cfg.Local.Models, func(m config.Model) bool { return m.Name == standard }) {
		names = append(names, standard)
	}
	for _, m := range cfg.Local.Models {
		sum := strings.ToLower(m.SHA256)
		if sum == "" && m.File != "" {
			sum, _ = weights.Sum(m.File) // a file that cannot be read is of no calibration
		}
		if _, _, err := tables.Load(cfg.State, sum); err == nil {
			names = append(names, m.Name)
		}
	}
	return names
}

// found is a finding and where it is.
type found struct {
	lint.Finding
	Line   int `json:"line"`
	Column int `json:"column"`
}

func lintFile(c *cobra.Command, g *shell.Globals, path string) error {
	draft, err := written.OpenDraft(path)
	if err != nil {
		return shell.BadInput(err)
	}
	known, err := known(g)
	if err != nil {
		return shell.BadInput(err)
	}
	findings := lint.Check(draft.Doc, known)
	all := make([]found, len(findings))
	for i, f := range findings {
		all[i].Finding = f
		all[i].Line, all[i].Column = draft.Place(f.Path)
	}
	if err := printFindings(c, g, path, all); err != nil {
		return err
	}
	if lint.Worst(findings) == lint.Error {
		return fmt.Errorf("%s has errors", path)
	}
	return nil
}

func printFindings(c *cobra.Command, g *shell.Globals, path string, all []found) error {
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{"file": path, "findings": all})
	}
	w := c.OutOrStdout()
	for _, f := range all {
		fmt.Fprintf(w, "%s:%d:%d: %s: %s: %s\n", path, f.Line, f.Column, f.Severity, f.Path, f.Message)
		if f.Right != "" {
			fmt.Fprintf(w, "  right: %s\n", f.Right)
		}
	}
	if len(all) == 0 {
		fmt.Fprintf(w, "%s: nothing to say\n", path)
	}
	return nil
}
