// Package lessons is what a device is taught from the command line: gates
// trained on examples, calibrations measured or imported, and verdicts on
// answers. The daemon learns the rest by itself.
package lessons

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/tables"
	"nearside/local/weights"
	"nearside/policy/calib"
)

// Calibrate is nearside calibrate with all under it.
func Calibrate(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{
		Use: "calibrate", Short: "Show, measure, export and import how far a local model's certainty can be trusted",
		Long: `A calibration says of a local model how often its answers are good when it seems
that sure, per class of task. It is of one model file: another file has none
until it is measured. Without one the policy's thresholds hold.`,
	}
	c.AddCommand(calibrateShowCmd(g), calibrateLabelsCmd(g), calibrateMeasureCmd(g), calibrateExportCmd(g), calibrateImportCmd(g))
	return c
}

// scoresShown are the scores at which `calibrate show` tells the chance.
func scoresShown() []float64 { return []float64{0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9} }

// budgetsShown are the shares of errors it tells the threshold for.
func budgetsShown() []float64 { return []float64{0.1, 0.2, 0.3} }

// calibrationDoc is the table of one model as `calibrate show` prints it.
type calibrationDoc struct {
	Model   calib.Model `json:"model"`
	From    string      `json:"from"` // imported, shipped, none, or the file
	Why     string      `json:"why,omitempty"`
	Classes []classDoc  `json:"classes"`
}

// classDoc is one class of task, "" for all together.
type classDoc struct {
	Task       string         `json:"task"`
	Labels     int            `json:"labels"`
	Prior      float64        `json:"prior"` // P(good) before there is a score
	Good       []chanceDoc    `json:"good"`
	Thresholds []thresholdDoc `json:"thresholds"`
}

type chanceDoc struct {
	Score float64 `json:"score"`
	Good  float64 `json:"p_good"`
}

// thresholdDoc is the score an error budget asks for; nil keeps nothing.
type thresholdDoc struct {
	Budget float64  `json:"budget"`
	Score  *float64 `json:"score"`
}

func calibrateShowCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "show [FILE]", Short: "Show the calibration of every local model, or that of a file", Args: cobra.MaximumNArgs(1),
		Long: `Show the calibration of every local model of the config, imported or shipped, or
that of a file. What a running daemon learned since, from labels and from the
text of questions, is shown by "nearside calibrate labels".`,
		RunE: func(c *cobra.Command, args []string) error {
			docs := []calibrationDoc{}
			if len(args) == 1 {
				t, err := readTable(args[0])
				if err != nil {
					return err
				}
				return printCalibrations(c.OutOrStdout(), append(docs, calibrationOf(t, args[0])), g.JSON)
			}
			cfg, err := g.Load()
			if err != nil {
				return err
			}
			for _, m := range cfg.Local.Models {
				docs = append(docs, calibrated(cfg.State, m))
			}
			return printCalibrations(c.OutOrStdout(), docs, g.JSON)
		},
	}
}

// readTable reads a file that was named on the command line.
func readTable(path string) (*calib.Table, error) {
	t, err := tables.Read(path)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	return t, nil
}

// calibrated tells of one model of the config what it can.
func calibrated(state string, m config.Model) calibrationDoc {
	id, err := identity(m)
	if err != nil {
		return calibrationDoc{Model: calib.Model{Name: m.Name}, From: "none", Why: err.Error(), Classes: []classDoc{}}
	}
	t, from, err := tables.Load(state, id.SHA256)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return calibrationDoc{Model: id, From: "none", Why: "not measured; see nearside calibrate measure --help", Classes: []classDoc{}}
	case err != nil:
		return calibrationDoc{Model: id, From: "none", Why: err.Error(), Classes: []classDoc{}}
	}
	return calibrationOf(t, from)
}

// identity says which model a model of the config is, by its file where the
// config has no checksum.
func identity(m config.Model) (calib.Model, error) {
	id := calib.Model{Name: m.Name, SHA256: m.SHA256, Quant: weights.Quantisation(m.File)}
	if id.SHA256 != "" {
		return id, nil
	}
	sum, err := weights.Sum(m.File)
	if err != nil {
		return id, fmt.Errorf("identify model %s: %w", m.Name, err)
	}
	id.SHA256 = sum
	return id, nil
}

func calibrationOf(t *calib.Table, from string) calibrationDoc {
	d := calibrationDoc{Model: t.Model(), From: from}
	for _, task := range append([]string{""}, t.Tasks()...) {
		k := classDoc{Task: task, Labels: t.Labels(task)}
		k.Prior, _ = t.Prior(task)
		for _, s := range scoresShown() {
			p, _ := t.Good(task, s)
			k.Good = append(k.Good, chanceDoc{s, p})
		}
		for _, alpha := range budgetsShown() {
			b := thresholdDoc{Budget: alpha}
			if s, ok := t.Threshold(task, alpha); ok {
				b.Score = &s
			}
			k.Thresholds = append(k.Thresholds, b)
		}
		d.Classes = append(d.Classes, k)
	}
	return d
}

func printCalibrations(out io.Writer, docs []calibrationDoc, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(docs)
	}
	for _, d := range docs {
		fmt.Fprintf(out, "%s %s (%.12s): %s\n", d.Model.Name, d.Model.Quant, d.Model.SHA256, d.From)
		if d.Why != "" {
			fmt.Fprintf(out, "  %s\n", d.Why)
			continue
		}
		if err := printClasses(out, d.Classes); err != nil {
			return err
		}
	}
	return nil
}

func printClasses(out io.Writer, classes []classDoc) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "TASK\tLABELS\tPRIOR")
	for _, s := range scoresShown() {
		fmt.Fprintf(w, "\tGOOD AT %.2g", s)
	}
	for _, alpha := range budgetsShown() {
		fmt.Fprintf(w, "\tKEEP FOR %.0f %%", 100*alpha)
	}
	fmt.Fprintln(w)
	for _, k := range classes {
		if k.Task == "" {
			k.Task = "(all)"
		}
		fmt.Fprintf(w, "%s\t%d\t%.2f", k.Task, k.Labels, k.Prior)
		for _, g := range k.Good {
			fmt.Fprintf(w, "\t%.2f", g.Good)
		}
		for _, b := range k.Thresholds {
			fmt.Fprintf(w, "\t%s", b)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (b thresholdDoc) String() string {
	if b.Score == nil {
		return "none"
	}
	return fmt.Sprintf("%.2f", *b.Score)
}

func calibrateExportCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "export MODEL", Short: "Print the calibration of a local model as a file", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, m, err := localModel(g, args[0])
			if err != nil {
				return err
			}
			id, err := identity(m)
			if err != nil {
				return err
			}
			t, _, err := tables.Load(cfg.State, id.SHA256)
			if err != nil {
				return err
			}
			text, err := t.Encode()
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
}

// localModel is a model of the config by its name, or the only one for "".
func localModel(g *shell.Globals, name string) (*config.Config, config.Model, error) {
	cfg, err := g.Load()
	if err != nil {
		return nil, config.Model{}, err
	}
	models := cfg.Local.Models
	if name == "" && len(models) == 1 {
		return cfg, models[0], nil
	}
	for _, m := range models {
		if m.Name == name {
			return cfg, m, nil
		}
	}
	return nil, config.Model{}, shell.Usage("there is no local model %q; see nearside model list", name)
}

func calibrateImportCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Take a calibration into the state folder; a daemon uses it from its next start or reload", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := readTable(args[0])
			if err != nil {
				return err
			}
			cfg, err := g.Load()
			if err != nil {
				return err
			}
			if cfg.State == "" {
				return errors.New("there is no state folder to keep it in; set state: in the config")
			}
			if err := ours(cfg, t.Model()); err != nil {
				return shell.Refused(err)
			}
			if err := os.MkdirAll(cfg.State, 0o700); err != nil {
				return fmt.Errorf("make the state folder: %w", err)
			}
			return tables.Save(cfg.State, t)
		},
	}
}

// ours tells why a calibration is of no model of the config.
func ours(cfg *config.Config, m calib.Model) error {
	for _, have := range cfg.Local.Models {
		if id, err := identity(have); err == nil && id.SHA256 == m.SHA256 {
			return nil
		}
	}
	return fmt.Errorf("the calibration is of %s %s (%.12s), which is no model of the config; see nearside model list", m.Name, m.Quant, m.SHA256)
}
