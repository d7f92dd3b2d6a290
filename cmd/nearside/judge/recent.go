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

// Past are recent decisions, read and not changed any more.
type Past struct{ records []*record }

// Remember reads the decisions of the last days, the latest first, as many as a
// policy is judged by. It takes about as long as the rest of a judgement, and
// needs no policy, so it can be done ahead.
func Remember(ctx context.Context, from Recent, now time.Time) (*Past, error) {
	past := &Past{}
	for before, read := "", 0; read < maxRecent; {
		page, err := from.Decisions(ctx, perPage, before)
		if err != nil {
			return nil, fmt.Errorf("read recent decisions: %w", err)
		}
		for _, text := range page {
			r := &record{}
			if json.Unmarshal(text, r) != nil || r.ID == "" {
				return past, nil // what was written by another version is old, and so is all that follows
			}
			if before = r.ID; !now.IsZero() && now.Sub(r.Time) > week {
				return past, nil
			}
			past.records = append(past.records, r)
		}
		if read += len(page); len(page) == 0 {
			return past, nil
		}
	}
	return past, nil
}

// recent plans the asks of the last days again.
func (w *world) recent(ctx context.Context, j *Judgement) (err error) {
	past := w.basis.Past
	if past == nil && w.basis.Recent != nil {
		past, err = Remember(ctx, w.basis.Recent, w.basis.Signals.Time)
	}
	if past == nil {
		return err
	}
	m := &means{}
	for _, r := range past.records {
		if w.same(r) {
			w.both(m, &oracle{doc: w.present, ask: &r.Ask, sig: &r.Signals, sure: r.Outcome.Confidence})
		}
	}
	j.Recent = m.asks
	if m.asks < leastRecent {
		return nil
	}
	return w.weigh(fmt.Sprintf("the %d latest asks", m.asks), m.findings(&w.limits, true), j)
}

// same tells whether an ask got as far as a plan, and could be answered by whom
// it could be now: a target that is new was not there to be chosen.
func (w *world) same(r *record) bool {
	now, then := w.basis.Signals.Targets, r.Signals.Targets
	return r.Service != "" && len(then) > 0 && slices.EqualFunc(now, then, func(a, b policy.Target) bool { return a.Name == b.Name })
}
