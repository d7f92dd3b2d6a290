package learn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"nearside/agent/decision"
	"nearside/agent/learn/label"
	"nearside/policy"
)

// Why a verdict is not taken.
var (
	ErrDecision = errors.New("there is no decision with this id")
	ErrNoAnswer = errors.New("this decision ended without an answer, so there is nothing to judge")
)

// Verdict is what a caller says of an answer.
type Verdict struct {
	Decision string
	Good     bool
	Caller   string // who says it; "" may judge the answers of all callers
}

// Taken is what became of a verdict.
type Taken struct {
	Decision string `json:"decision"`
	Verdict  string `json:"verdict"`  // good, bad
	Target   string `json:"target"`   // who made the answer that was judged
	Kept     bool   `json:"kept"`     // false where learning is off
	Replaced bool   `json:"replaced"` // an earlier verdict on the same answer
}

// Feedback takes a verdict: once it has returned without an error, the verdict
// outlasts a crash. A later one on the same decision takes its place. Callers
// other than "" judge the answers they were given; those of others are not
// there for them.
func (l *Learner) Feedback(ctx context.Context, v Verdict) (*Taken, error) {
	r, err := l.decision(ctx, v.Decision)
	if err != nil {
		return nil, err
	}
	if v.Caller != "" && v.Caller != r.Caller {
		return nil, ErrDecision
	}
	if r.Outcome.Target == "" || r.Outcome.Status != 200 {
		return nil, ErrNoAnswer
	}
	taken := &Taken{Decision: v.Decision, Verdict: "bad", Target: r.Outcome.Target}
	if v.Good {
		taken.Verdict = "good"
	}
	if l.settings.Load().Off {
		return taken, nil
	}
	x := judged(r, v.Good)
	if x.Model != "" {
		x.Sketch = l.sketched(x.Decision)
	}
	n, err := l.put(ctx, x)
	if err != nil {
		return nil, err
	}
	taken.Kept, taken.Replaced = true, n > 0
	return taken, nil
}

// decision reads a record.
func (l *Learner) decision(ctx context.Context, id string) (*decision.Record, error) {
	h := l.parts.History()
	if h == nil {
		return nil, fmt.Errorf("%w: the store is not open yet", ErrKept)
	}
	text, ok, err := h.Decision(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%w: read decision", ErrKept)
	}
	var r decision.Record
	if !ok || json.Unmarshal(text, &r) != nil {
		return nil, ErrDecision
	}
	return &r, nil
}

// put keeps labels and counts those replaced.
func (l *Learner) put(ctx context.Context, labels ...label.Label) (int, error) {
	shelf := l.parts.Shelf()
	if shelf == nil {
		return 0, fmt.Errorf("%w: the store is not open yet", ErrKept)
	}
	n, err := shelf.Put(ctx, labels)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrKept, err)
	}
	l.recount(ctx)
	l.note(labels)
	return n, nil
}

// judged is the label of a caller's verdict. Callers judge what they like, so
// its propensity is not known, and taken as 1. The confidence of the record is
// that of the device's answer, which may not be the one that was given.
func judged(r *decision.Record, good bool) label.Label {
	x := label.Label{
		Decision: r.ID, Source: label.FromFeedback, At: r.Time, Target: r.Outcome.Target, Task: label.Class(&r.Ask), Propensity: 1, Weight: 1,
	}
	x.Good = label.Good(good)
	if j := r.Outcome.Judged; j != nil && j.Target == x.Target && r.Outcome.Route == policy.StepLocal {
		x.Model, x.Score = j.Model, r.Outcome.Confidence
	}
	return x
}
