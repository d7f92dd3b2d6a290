// Command eval measures how well the product decides, on recorded data, and
// prints lines `eval NAME VALUE`; notes go to standard error. What is measured
// is the product's own code: nothing is fitted or decided here. The folder of
// data is not part of the project; docs/EVAL.md says what it holds and what
// each figure means.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// part measures one folder of data.
type part struct {
	folder string
	run    func(dir string, s *sheet) error
}

// parts are in the order they are printed.
func parts() []part {
	return []part{
		{"routellm-mmlu", routellm},
		{"mmlu-logprobs", logprobs},
		{"clinc150", clinc},
	}
}

func main() {
	data := flag.String("data", "", "`FOLDER` of recorded data")
	only := flag.String("only", "", "measure only the part that reads the folder of this `NAME`")
	svg := flag.String("svg", "", "write curves into this `FOLDER`")
	asJSON := flag.Bool("json", false, "print one JSON object")
	flag.Parse()
	s := &sheet{out: os.Stdout, notes: os.Stderr, asJSON: *asJSON, svg: *svg, figures: map[string]float64{}}
	if err := run(*data, *only, s); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(data, only string, s *sheet) error {
	if info, err := os.Stat(data); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no data in %q: name its folder, as in make eval EVAL_DATA=FOLDER", data)
	}
	if known := folders(); only != "" && !slices.Contains(known, only) {
		return fmt.Errorf("no part reads %q: it must be one of %s", only, strings.Join(known, ", "))
	}
	var faults []error // of one part: the others are measured all the same
	for _, p := range parts() {
		if only != "" && p.folder != only {
			continue
		}
		if err := p.run(filepath.Join(data, p.folder), s); err != nil {
			faults = append(faults, fmt.Errorf("measure %s: %w", p.folder, err))
		}
	}
	return errors.Join(append(faults, s.end())...)
}

func folders() []string {
	var out []string
	for _, p := range parts() {
		out = append(out, p.folder)
	}
	return out
}

// sheet is where figures go.
type sheet struct {
	out, notes io.Writer
	asJSON     bool
	svg        string // folder for curves; empty is none
	figures    map[string]float64
	undefined  []string // figures that this data has not
}

// put is one figure. What is not a number, such as a gain where the cloud gains
// nothing, is told at the end.
func (s *sheet) put(name string, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		s.undefined = append(s.undefined, name)
		return
	}
	s.figures[name] = value
	if !s.asJSON {
		fmt.Fprintf(s.out, "eval %s %.4g\n", name, value)
	}
}

// note is for people.
func (s *sheet) note(format string, args ...any) { fmt.Fprintf(s.notes, format+"\n", args...) }

// draw writes one picture, where pictures are wanted.
func (s *sheet) draw(name, picture string) error {
	if s.svg == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(s.svg, name+".svg"), []byte(picture), 0o644); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}

// end prints what is printed in one piece, and tells of figures that are not
// defined.
func (s *sheet) end() error {
	var err error
	if s.asJSON {
		err = json.NewEncoder(s.out).Encode(s.figures)
	}
	if len(s.undefined) > 0 {
		err = errors.Join(err, fmt.Errorf("not defined on this data, as the cloud's answers gain nothing or rows are too few: %s", strings.Join(s.undefined, ", ")))
	}
	return err
}
