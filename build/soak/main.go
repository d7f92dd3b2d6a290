// Command soak runs bin/nearside for a long time as bad days would have it: a
// mixed load, clouds that fail in every way, an engine and a daemon that are
// killed, floods. It prints a table and lines `soak NAME VALUE UNIT`, and ends
// with 1 when a figure is out of its bound. Run it from the root of the
// repository, after `make setup`.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	p := plan{}
	flag.StringVar(&p.program, "program", "bin/nearside", "the daemon's `FILE`")
	flag.DurationVar(&p.total, "for", time.Hour, "how long")
	flag.DurationVar(&p.round, "round", 20*time.Second, "how long each trouble")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	figures, err := run(ctx, p)
	stop()
	if err == nil {
		err = report(os.Stdout, figures)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// plan says what to run, and for how long.
type plan struct {
	program string
	total   time.Duration
	round   time.Duration
}

// figure is one result, and what it may be.
type figure struct {
	name        string
	value       float64
	unit        string
	least, most float64
}

func (f figure) ok() bool { return f.value >= f.least && f.value <= f.most }

// report prints the figures; it fails when one is out of bounds.
func report(out io.Writer, figures []figure) error {
	bad := 0
	fmt.Fprintf(out, "%-24s %12s %-8s %s\n", "figure", "value", "unit", "bounds")
	for _, f := range figures {
		verdict := ""
		if !f.ok() {
			verdict = "  OUT OF BOUNDS"
			bad++
		}
		fmt.Fprintf(out, "%-24s %12.1f %-8s %g to %g%s\n", f.name, f.value, f.unit, f.least, f.most, verdict)
	}
	for _, f := range figures {
		fmt.Fprintf(out, "soak %s %.1f %s\n", f.name, f.value, f.unit)
	}
	if bad > 0 {
		return fmt.Errorf("%d figures are out of their bounds", bad)
	}
	return nil
}
