package operator

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/operator/views"
	"nearside/cmd/nearside/shell"
)

// progress shows a rollout: one line that changes in place on a terminal, else
// a line for each change, and objects for programs.
type progress struct {
	c    *cobra.Command
	json bool
	live bool // a terminal
	out  io.Writer
	last string // that was shown
	open bool   // the line in place is not ended
}

func newProgress(c *cobra.Command, g *shell.Globals) *progress {
	return &progress{c: c, json: g.JSON, live: !g.JSON && shell.IsTerminal(c.ErrOrStderr()), out: c.ErrOrStderr()}
}

// begin tells what is rolled out.
func (p *progress) begin(r *stages.Rollout) {
	if p.json {
		return
	}
	fmt.Fprintf(p.out, "rollout %s: %s version %d (%.8s), stages", r.ID, r.Kind, r.Version, r.Digest)
	for i := range r.Stages {
		fmt.Fprintf(p.out, " | %s", shareText(&r.Stages[i]))
	}
	fmt.Fprintln(p.out)
}

// look tells how it stands, when that changed.
func (p *progress) look(now fleet.Progress) {
	r := &now.Rollout
	line := fmt.Sprintf("stage %d of %d, %s: %s", r.Stage+1, len(r.Stages), shareText(&r.Stages[r.Stage]), countsText(&now.Counts))
	switch {
	case r.State != stages.Running:
		line = fmt.Sprintf("%s, %s", line, r.State)
		if r.Why != "" {
			line += ": " + r.Why
		}
	case !r.Settled.IsZero():
		line += ", soaking"
	}
	if now.Counts.Bad() > 0 && r.State == stages.Running {
		line += " (" + reasons(now.Counts.Reasons) + ")"
	}
	if line == p.last {
		return
	}
	p.last = line
	p.show(line, now)
}

func (p *progress) show(line string, now fleet.Progress) {
	switch {
	case p.json:
		s := views.SummaryOf(&now.Rollout)
		s.Counts = now.Counts
		_ = shell.PrintJSON(p.c, struct { // what cannot be written main knows
			Time time.Time `json:"time"`
			views.Summary
		}{time.Now().UTC(), s})
	case p.live:
		fmt.Fprintf(p.out, "\r\x1b[K%s %s", bar(&now), fleet.Printable(line, 200))
		p.open = true
	default:
		fmt.Fprintln(p.out, time.Now().Format(time.TimeOnly), fleet.Printable(line, 3*link.MaxCell))
	}
}

// bar draws how many of the devices of a stage have reported.
func bar(now *fleet.Progress) string {
	const wide = 20
	c := &now.Counts
	full := 0
	if c.Offered > 0 {
		full = wide * (c.Good + c.Bad() + c.Skipped) / c.Offered
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", wide-full) + "]"
}

// end ends the line in place.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
	}
	p.open = false
}

// reasons lists counts of reasons, by name.
func reasons(counts map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(all, ", ")
}
