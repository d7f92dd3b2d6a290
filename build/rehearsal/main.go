// Command rehearsal is a fleet in one command: Mosquitto with TLS and the access
// lists that are shipped, thousands of light devices, and an operator who rolls
// a good policy out in stages, then a careless one that aborts itself, then
// steers all at once, and loses the broker for a moment. It prints a table and
// lines `rehearsal NAME VALUE UNIT`, draws the timeline, and ends with 1 when
// something went otherwise than it should. Run it from the root of the
// repository, after `make build`; it needs Mosquitto and openssl.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	p := plan{}
	flag.StringVar(&p.program, "program", "bin/nearside", "the `FILE` of nearside")
	flag.IntVar(&p.devices, "devices", 2000, "how many `DEVICES`")
	flag.DurationVar(&p.soak, "soak", 10*time.Second, "how long each stage is watched")
	flag.Float64Var(&p.rate, "rate", 1, "asks a `SECOND` and device")
	flag.StringVar(&p.until, "until", "confirmed", "a device is well when the policy is `applied` or confirmed")
	flag.DurationVar(&p.before, "before", 15*time.Second, "how long the devices are left alone first, to have a time to compare with")
	flag.DurationVar(&p.reconnect, "reconnect", 30*time.Second, "over which time devices come back")
	flag.StringVar(&p.drawing, "svg", "", "draw the timeline to `FILE`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := rehearse(ctx, p)
	stop()
	if err == nil && p.drawing != "" {
		err = os.WriteFile(p.drawing, []byte(r.svg()), 0o644)
	}
	if err == nil {
		err = r.report(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rehearsal:", err)
		os.Exit(1)
	}
}

// plan says what to rehearse.
type plan struct {
	program string
	devices int
	soak    time.Duration
	rate    float64
	until   string
	drawing string

	before, reconnect time.Duration
}
