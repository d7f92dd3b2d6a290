package learn

import (
	"context"
	"maps"
	"slices"

	"nearside/agent/learn/audit"
	"nearside/agent/learn/standing"
)

// Report is what is known of the device's answers, for those who look. Counts
// that are not kept begin with the daemon.
type Report struct {
	Off     bool             `json:"off"`
	Labels  map[string]int64 `json:"labels"`  // kept, by source; nil is not known
	Dropped int64            `json:"dropped"` // labels given up: too many waited, or the store failed
	Refits  int64            `json:"refits"`  // tables fitted with labels
	Alarms  int64            `json:"alarms"`  // drifts noticed
	Audits  audit.Report     `json:"audits"`
	Targets []standing.Known `json:"targets"`
}

// Report may be called at any time; it does not wait for the disk.
func (l *Learner) Report() Report {
	r := Report{
		Off: l.settings.Load().Off, Dropped: l.tally.dropped.Load() + l.tally.failed.Load(),
		Refits: l.tally.refits.Load(), Alarms: l.tally.alarms.Load(), Targets: []standing.Known{},
	}
	if counts := l.counts.Load(); counts != nil {
		r.Labels = *counts
	}
	r.Audits = l.audits.Report()
	known := l.known.Load().Of
	for _, name := range slices.Sorted(maps.Keys(known)) {
		r.Targets = append(r.Targets, known[name].Known(name))
	}
	return r
}

// recount has the report know how many labels there are.
func (l *Learner) recount(ctx context.Context) {
	if shelf := l.parts.Shelf(); shelf != nil {
		if counts, err := shelf.Count(ctx); err == nil {
			l.counts.Store(&counts)
		}
	}
}
