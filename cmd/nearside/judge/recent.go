package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"nearside/policy"
)

// How many recent asks are looked at. Each is planned by both policies, so that
// a difference is known better than a share, and reading more would take longer
// than all else together.
const (
	maxRecent   = 128
	leastRecent = 20 // fewer say nothing
	perPage     = 64
)

// record is what is read of a decision.
type record struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	policy.Ask
	Signals policy.Signals `json:"signals"`
	Outcome struct {
		Confidence *float64 `json:"confidence"`
	} `json:"outcome"`
}

// recent plans the asks of the last days again.
func (w *world) recent(ctx context.Context, j *Judgement) error {
	if w.basis.Recent == nil {
		return nil
	}
	m := &means{}
	if err := w.replay(ctx, m); err != nil {
		return fmt.Errorf("read recent decisions: %w", err)
	}
	j.Recent = m.asks
	if m.asks < leastRecent {
		return nil
	}
	return w.weigh(fmt.Sprintf("the %d latest asks", m.asks), append(m.findings(&w.limits, true), w.creep(m, true)...), j)
}

// replay reads page after page, the latest first.
func (w *world) replay(ctx context.Context, m *means) error {
	for before, read := "", 0; read < maxRecent; {
		page, err := w.basis.Recent.Decisions(ctx, perPage, before)
		if err != nil || len(page) == 0 {
			return err
		}
		read += len(page)
		for _, text := range page {
			r := &record{}
			if json.Unmarshal(text, r) != nil || r.ID == "" {
				return nil // what was written by another version is old, and so is all that follows
			}
			before = r.ID
			if w.old(r) {
				return nil
			}
			if w.same(r) {
				w.both(m, &oracle{doc: w.present, ask: &r.Ask, sig: &r.Signals, sure: r.Outcome.Confidence})
			}
		}
	}
	return nil
}

// old tells whether a record is from before the last days.
func (w *world) old(r *record) bool {
	now := w.basis.Signals.Time
	return !now.IsZero() && now.Sub(r.Time) > week
}

// same tells whether an ask got as far as a plan, and could be answered by whom
// it could be now: a target that is new was not there to be chosen.
func (w *world) same(r *record) bool {
	now, then := w.basis.Signals.Targets, r.Signals.Targets
	return r.Service != "" && len(then) > 0 && slices.EqualFunc(now, then, func(a, b policy.Target) bool { return a.Name == b.Name })
}
