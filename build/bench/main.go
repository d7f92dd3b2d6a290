// Command bench measures the speed and size of nearside and prints lines
// `bench NAME VALUE UNIT`, notes going to standard error. It starts bin/nearside
// as an operator would, with a fake cloud behind it and, beside it, a bare
// reverse proxy for comparison, each a program of its own; calls to all of them
// alternate in one run, so that a noisy machine is equally noisy for each.
// `make bench` builds and runs all.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	asJSON := flag.Bool("json", false, "print one JSON list")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, flag.Args(), *asJSON)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures.
func run(ctx context.Context, args []string, asJSON bool) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown argument %q", args[0])
	}
	s := &sheet{out: os.Stdout, asJSON: asJSON}
	if err := measure(ctx, s); err != nil {
		return err
	}
	return s.end()
}

// measure takes all figures, one group after the other. Load comes last, since
// memory is measured of a daemon that has done nothing yet.
func measure(ctx context.Context, s *sheet) error {
	dir, err := os.MkdirTemp("", "ns-bench")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	url, stop, err := startCloud()
	if err != nil {
		return err
	}
	defer stop()
	l := &lab{dir: dir, cloud: url, sheet: s}
	for _, group := range []func(context.Context, *lab) error{deciding, start, idle, load} {
		if err := group(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// lab is where a run takes place.
type lab struct {
	dir   string
	cloud string // root URL of the fake cloud
	sheet *sheet
}

// figure is one thing measured.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// sheet takes figures down: as lines at once, or as one JSON list at the end.
type sheet struct {
	out     io.Writer
	asJSON  bool
	figures []figure
}

func (s *sheet) add(name string, value float64, unit string) {
	f := figure{name, math.Round(value*1000) / 1000, unit}
	s.figures = append(s.figures, f)
	if !s.asJSON {
		fmt.Fprintf(s.out, "bench %s %s %s\n", f.Name, strconv.FormatFloat(f.Value, 'f', -1, 64), f.Unit)
	}
}

func (s *sheet) end() error {
	if !s.asJSON {
		return nil
	}
	return json.NewEncoder(s.out).Encode(s.figures)
}

// note tells a person how far it is.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
