package lessons

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/cmd/nearside/shell"
	"nearside/policy/gate"
)

// maxGateData bounds what is read of examples, and of a gate, in bytes.
const maxGateData = 256 << 20

// Gate is nearside gate with all under it.
func Gate(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{
		Use: "gate", Short: "Train and try gates, which tell what a short text asks for",
		Long: `A gate tells which of the intents it was taught a short text asks for, and how
likely it is that this is right: a linear classifier of a few hundred kilobytes
that answers in microseconds. The daemon uses the one under local.gate.`,
	}
	c.AddCommand(gateTrainCmd(g), gateEvalCmd(g), gateTryCmd(g), gateShowCmd(g))
	return c
}

// gateTrain is what `gate train` was told.
type gateTrain struct {
	data string
	out  shell.Out
	seed uint64
	skip bool
}

func gateTrainCmd(g *shell.Globals) *cobra.Command {
	f := &gateTrain{}
	c := &cobra.Command{
		Use: "train --data FILE", Short: "Train a gate from examples, and report how well it will do", Args: cobra.NoArgs,
		Long: `Train a gate from a file with one example on each line, such as
  {"text":"roll down my window","label":"window_open"}
The label oos is for texts that no intent fits; a few hundred of them, of the kind
that will come, make the gate surer of what it does not know. Two examples per
intent are the least, 20 or more do well. The same data and seed give the same gate.

Every figure of the report comes from gates that had not seen the examples they are
judged by. Lines that cannot be used are listed, and nothing is trained while there
are any; --skip-bad trains on the rest.`,
		Example: `  nearside gate train --data car.jsonl --out car.gate
  nearside gate train --data car.jsonl --json >report.json`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, g) },
	}
	c.Flags().StringVar(&f.data, "data", "", "`FILE` of examples")
	c.Flags().StringVar(&f.out.Path, "out", "gate.bin", "`FILE` the gate is written to; - is standard output")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of all chance")
	c.Flags().BoolVar(&f.skip, "skip-bad", false, "train although lines cannot be used")
	return c
}

// trainDoc is what `gate train --json` prints.
type trainDoc struct {
	File     string       `json:"file"`
	Bytes    int          `json:"bytes"`
	Memory   int          `json:"memory"` // bytes the gate takes when loaded
	Seconds  float64      `json:"seconds"`
	Data     *gate.Data   `json:"data"`
	Report   *gate.Report `json:"report"`
	Examples int          `json:"examples"` // used
}

func (f *gateTrain) run(c *cobra.Command, g *shell.Globals) error {
	data, err := readExamples(c, f.data, f.skip)
	if err != nil {
		return err
	}
	if err := f.out.Open(c, g); err != nil { // before the minutes that training may take
		return fmt.Errorf("write the gate: %w", err)
	}
	start := time.Now()
	made, report, err := gate.Train(data.Examples, gate.Options{Seed: f.seed, Progress: func(done, of int) error {
		fmt.Fprintf(c.ErrOrStderr(), "part %d of %d done after %s\n", done, of, time.Since(start).Round(100*time.Millisecond))
		return c.Context().Err()
	}})
	if c.Context().Err() != nil {
		return c.Context().Err()
	}
	if err != nil {
		return shell.BadInput(fmt.Errorf("train on %s: %w", f.data, err))
	}
	file, err := made.Encode()
	if err != nil {
		return err
	}
	if err := f.out.Write(file, 0o644); err != nil {
		return fmt.Errorf("write the gate: %w", err)
	}
	doc := trainDoc{f.out.Path, len(file), made.Bytes(), time.Since(start).Seconds(), data, report, len(data.Examples)}
	if g.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(doc)
	}
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s: %d bytes, %d in memory; %d examples of %d intents, %d outside, in %.1f s\n",
		doc.File, doc.Bytes, doc.Memory, report.Examples, report.Intents, report.Outside, doc.Seconds)
	return printGateReport(w, report)
}

// readExamples reads a file of examples and tells of what is odd about it.
func readExamples(c *cobra.Command, path string, skip bool) (*gate.Data, error) {
	if path == "" {
		return nil, shell.Usage("--data is missing; see %s --help", c.CommandPath())
	}
	text, err := readBounded(path)
	if err != nil {
		return nil, shell.BadInput(fmt.Errorf("read examples: %w", err))
	}
	data, err := gate.Parse(text)
	if err != nil {
		return nil, shell.BadInput(fmt.Errorf("read %s: %w", path, err))
	}
	tellOdd(c.ErrOrStderr(), path, data)
	if n := len(data.Faults); n > 0 && !skip {
		return nil, shell.Usage("%s: %d of %d lines cannot be used; correct them, or leave them out with --skip-bad", path, n, data.Lines)
	}
	return data, nil
}

// mostFaults that are told one by one.
const mostFaults = 20

func tellOdd(w io.Writer, path string, d *gate.Data) {
	for i, f := range d.Faults {
		if i == mostFaults {
			fmt.Fprintf(w, "%s: and %d more lines\n", path, len(d.Faults)-i)
			break
		}
		fmt.Fprintf(w, "%s: %s\n", path, f)
	}
	var odd []string
	add := func(n int, what string) {
		if n > 0 {
			odd = append(odd, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(d.Empty, "empty lines")
	add(d.Duplicates, "examples that were there before")
	if d.Marked {
		odd = append(odd, "a byte order mark")
	}
	if len(odd) > 0 {
		fmt.Fprintf(w, "%s: left out %s\n", path, strings.Join(odd, ", "))
	}
	if d.Returns > 0 {
		fmt.Fprintf(w, "%s: %d lines end in CR LF\n", path, d.Returns)
	}
}

// readBounded reads a file that must not be larger than [maxGateData].
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxGateData+1))
	if err == nil && len(text) > maxGateData {
		err = fmt.Errorf("%s has more than %d bytes", path, maxGateData)
	}
	return text, err
}

func printGateReport(out io.Writer, r *gate.Report) error {
	fmt.Fprintf(out, "accuracy %.3f", r.Accuracy)
	if r.AUROC > 0 {
		fmt.Fprintf(out, ", in scope ranked above outside (AUROC) %.3f", r.AUROC)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\n\nTHRESHOLD\tACCEPTED\tAND RIGHT\tOUTSIDE ACCEPTED\tWRONG OF ACCEPTED")
	for i := 0; i < len(r.Curve); i += 2 {
		p := r.Curve[i]
		fmt.Fprintf(w, "%.2f\t%.3f\t%.3f\t%.3f\t%.3f\n", p.Threshold, p.Accepted, p.Right, p.Outside, p.WrongKept)
	}
	if len(r.Confused) > 0 {
		fmt.Fprintln(w, "\nINTENT\tTAKEN FOR\tTIMES")
	}
	for i := range min(10, len(r.Confused)) {
		fmt.Fprintf(w, "%s\t%s\t%d\n", r.Confused[i].Intent, r.Confused[i].Taken, r.Confused[i].Count)
	}
	return w.Flush()
}

func gateEvalCmd(g *shell.Globals) *cobra.Command {
	from, data, skip := &gateFrom{}, "", false
	c := &cobra.Command{
		Use: "eval --data FILE", Short: "Measure a gate on examples it was not trained on", Args: cobra.NoArgs,
		Long: `Measure a gate on examples like those of gate train. Those labelled oos, and those
of intents the gate does not know, are outside its scope.`,
		Example: `  nearside gate eval --data held-out.jsonl --gate gate.bin`,
		RunE: func(c *cobra.Command, _ []string) error {
			measured, _, err := from.open(g)
			if err != nil {
				return err
			}
			d, err := readExamples(c, data, skip)
			if err != nil {
				return err
			}
			r := measured.Measure(d.Examples)
			if r.Examples == 0 {
				return shell.Usage("%s: no example is of an intent that the gate knows; see: nearside gate show", data)
			}
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"data": d, "report": r})
			}
			fmt.Fprintf(c.OutOrStdout(), "%d examples in scope, %d outside\n", r.Examples, r.Outside)
			return printGateReport(c.OutOrStdout(), r)
		},
	}
	from.add(c)
	c.Flags().StringVar(&data, "data", "", "`FILE` of examples")
	c.Flags().BoolVar(&skip, "skip-bad", false, "measure although lines cannot be used")
	return c
}

// gateFrom says which gate is meant.
type gateFrom struct{ file, profile string }

func (f *gateFrom) add(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "gate", "", "`FILE` of the gate (default: the one of the config)")
	c.Flags().StringVar(&f.profile, "profile", "", "the built-in gate of this `NAME`: "+strings.Join(config.Gates(), ", "))
	c.MarkFlagsMutuallyExclusive("gate", "profile")
	_ = c.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(config.Gates(), cobra.ShellCompDirectiveNoFileComp))
}

// open reads the gate; name says which it is.
func (f *gateFrom) open(g *shell.Globals) (read *gate.Gate, name string, err error) {
	chosen := config.Gate{File: f.file, Profile: f.profile}
	if f.file == "" && f.profile == "" {
		cfg, err := g.Load()
		if err != nil {
			return nil, "", err
		}
		if cfg.Local.Gate == nil {
			return nil, "", shell.Usage("the config names no gate; choose one with --gate FILE or --profile NAME, or set local.gate")
		}
		chosen = *cfg.Local.Gate
	}
	data, err := chosen.Read()
	if err != nil {
		return nil, "", shell.BadInput(err)
	}
	if read, err = gate.Read(data); err != nil {
		return nil, "", shell.BadInput(fmt.Errorf("read %s: %w", chosen.Source(), err))
	}
	return read, chosen.Source(), nil
}
