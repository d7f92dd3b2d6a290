package learn

import (
	"context"
	"maps"
	"slices"
)

// Report is what is known of the device's answers, for those who look. Counts
// that are not kept begin with the daemon.
type Report struct {
	Off     bool             `json:"off"`
	Labels  map[string]int64 `json:"labels"`  // kept, by source; nil is not known
	Dropped int64            `json:"dropped"` // labels given up: too many waited, or the store failed
	Refits  int64            `json:"refits"`  // tables fitted with labels
	Alarms  int64            `json:"alarms"`  // drifts noticed
	Audits  Audits           `json:"audits"`
	Targets []Known          `json:"targets"`
}

// Audits is what became of answers that were picked to be audited.
type Audits struct {
	Done    int64            `json:"done"`
	Failed  int64            `json:"failed"`  // calls that gave no answer, or were ended since they began to cost something
	Skipped map[string]int64 `json:"skipped"` // given up, by what was in the way
	Today   Purse            `json:"today"`   // what was taken of the day's budget, as last known
}

// Known is what is known of one local target.
type Known struct {
	Name    string  `json:"name"`
	Model   string  `json:"model"`   // identity
	State   string  `json:"state"`   // measured, doubted, unmeasured, changed
	Why     *string `json:"why"`     // it is doubted
	Version *string `json:"version"` // of its table: 8 hex digits of the digest
	Prior   *string `json:"prior"`   // where what was measured before is from
	Labels  int     `json:"labels"`  // found here that are in the table
	Fault   *string `json:"fault"`   // why what was measured before cannot be used
	Text    *Text   `json:"text"`    // what the words of questions tell; nil without a table
}

// Text is what is known of how the words of a question tell what the cloud
// would gain with it. Explained and Error are those of policy/deferral's Merit, nil
// while there are too few labels for them.
type Text struct {
	InForce   bool     `json:"in_force"`  // they tell enough
	Labels    int      `json:"labels"`    // that have a sketch of their question
	Explained *float64 `json:"explained"` // share of the variance of gains, cross-validated
	Error     *float64 `json:"error"`     // standard error of Explained
	Version   *string  `json:"version"`   // of the model: 8 hex digits of the digest
}

// Report may be called at any time; it does not wait for the disk.
func (l *Learner) Report() Report {
	r := Report{
		Off: l.settings.Load().Off, Dropped: l.tally.dropped.Load() + l.tally.failed.Load(),
		Refits: l.tally.refits.Load(), Alarms: l.tally.alarms.Load(), Targets: []Known{},
	}
	if counts := l.counts.Load(); counts != nil {
		r.Labels = *counts
	}
	r.Audits = l.audited()
	known := l.known.Load().of
	for _, name := range slices.Sorted(maps.Keys(known)) {
		s := known[name]
		r.Targets = append(r.Targets, Known{name, s.model.SHA256, s.state, filled(s.why), filled(s.version), filled(s.origin), s.labels, filled(s.fault), s.text.report()})
	}
	return r
}

func (r *reading) report() *Text {
	if r == nil {
		return nil
	}
	t := &Text{InForce: r.model != nil, Labels: r.labels, Version: filled(r.version)}
	if r.merit != nil {
		explained, off := r.merit.Explained, r.merit.Error
		t.Explained, t.Error = &explained, &off
	}
	return t
}

func (l *Learner) audited() Audits {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := Audits{Done: l.tally.audits.Load(), Failed: l.tally.lapsed.Load(), Skipped: maps.Clone(l.skipped)}
	if p := l.taken.Load(); p != nil {
		a.Today = *p
	}
	return a
}

// filled is nil for what is not known.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// recount has the report know how many labels there are.
func (l *Learner) recount(ctx context.Context) {
	if shelf := l.parts.Shelf(); shelf != nil {
		if counts, err := shelf.Count(ctx); err == nil {
			l.counts.Store(&counts)
		}
	}
}
