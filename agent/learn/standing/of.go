package standing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"time"

	"nearside/agent/learn/label"
	"nearside/policy"
	"nearside/policy/calib"
)

// Bounds of a fit.
const (
	leastLabels = 50    // without a prior, or after a drift
	rarest      = 0.001 // propensity of a label; below it counts as that
)

// Before is what was measured of a model before.
type Before struct {
	Table *calib.Table
	From  string // where it is from, such as imported
}

// Evidence is all that is known of a local target's model.
type Evidence struct {
	Model  calib.Model
	Before *Before           // nil when nothing was measured of it
	Fault  string            // why what was measured before cannot be used
	Labels []label.Label     // the last found first
	Sure   map[string]Spread // how sure its answers were lately, by class
	Doc    *policy.Document  // nil: nothing is learned from questions
	Doubt  string            // what drifted since the last look, "" for nothing
	Now    time.Time
}

// Epoch is what must be remembered of a target: labels from before Since do
// not count any more, nor does what was measured by then, since it has drifted.
type Epoch struct {
	Model  string    `json:"model"` // identity
	Since  time.Time `json:"since,omitzero"`
	Doubt  string    `json:"doubt,omitempty"`  // why what is known from before holds no more, while too little else is known
	Fitted bool      `json:"fitted,omitempty"` // there was a table
	Prior  string    `json:"prior,omitempty"`  // digest of what was measured before Since; another is new evidence
}

// next is the epoch that the evidence is of: the model's own, or one that begins
// with it or with its drift.
func (e Epoch) next(v *Evidence) Epoch {
	if e.Model != v.Model.SHA256 {
		e = Epoch{Model: v.Model.SHA256}
	}
	if v.Doubt != "" {
		e.Since, e.Doubt, e.Prior = v.Now.UTC().Truncate(time.Millisecond), v.Doubt, digest(v.prior())
	}
	return e
}

// prior is what was measured before, nil when nothing was.
func (v *Evidence) prior() *calib.Table {
	if v.Before == nil {
		return nil
	}
	return v.Before.Table
}

// Of is the standing that follows from the evidence and from the epoch that was
// remembered, and the epoch that is to be remembered for the next time. Where
// another model has no table it is the old one, so that the next start knows of
// it, too. Where ctx ends, less is learned from questions.
func Of(ctx context.Context, v Evidence, old Epoch) (*Standing, Epoch) {
	e := old.next(&v)
	s := v.standing(&e)
	if s.table == nil && old.Model != "" && old.Model != e.Model && old.Fitted {
		s.State = Changed
		return s, old
	}
	if e.Fitted = s.table != nil; e.Fitted {
		s.good = foreseen(v.Sure, s.table)
		s.text = read(ctx, &v, &e)
	}
	return s, e
}

// standing is what prior, labels and the epoch make of a model. A doubt is over
// when enough is known from after it, or the model was measured anew.
func (v *Evidence) standing(e *Epoch) *Standing {
	s := &Standing{Model: v.Model, State: Measured, fault: v.Fault, prior: v.prior()}
	if v.Before != nil {
		s.origin = v.Before.From
	}
	anew := s.prior != nil && digest(s.prior) != e.Prior
	since := usable(v.Labels, e.Since)
	if len(since) >= leastLabels || anew {
		e.Doubt = ""
	}
	switch {
	case e.Doubt != "":
		s.State, s.why = Doubted, e.Doubt
		since = usable(v.Labels, time.Time{})
	case !e.Since.IsZero() && !anew:
		s.prior, s.origin = nil, ""
	}
	s.table, s.Labels = fitted(v.Model, s.prior, since)
	if s.table == nil {
		s.State = Unmeasured
		return s
	}
	s.version = digest(s.table)
	return s
}

// digest is the first 8 hex digits of a table's, "" without one.
func digest(t *calib.Table) string {
	if t == nil {
		return ""
	}
	text, err := t.Encode()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// fitted is the table of prior and labels, and how many labels are in it; nil
// when they do not make one.
func fitted(m calib.Model, prior *calib.Table, labels []calib.Label) (*calib.Table, int) {
	var t *calib.Table
	var err error
	switch {
	case prior == nil && len(labels) < leastLabels:
		return nil, 0
	case len(labels) == 0:
		return prior, 0
	case prior == nil:
		t, err = calib.Fit(m, labels)
	default:
		t, err = prior.With(labels)
	}
	if err != nil { // a label out of bounds: none is made here, and the file was checked
		return prior, 0
	}
	return t, len(labels)
}

// usable are labels as a fit wants them: from that time on, with a score, the
// first source of each decision. Their weights undo how unlike likely they were
// to be found, and add up to the number of equal labels that would say as much
// (Kish, 1965), so that one rare audit does not outweigh a prior.
func usable(list []label.Label, since time.Time) []calib.Label {
	var out []calib.Label
	sum, squares := 0.0, 0.0
	for _, x := range label.Counting(list, func(x *label.Label) bool { return x.Score != nil && !x.At.Before(since) }) {
		w := x.Weight / math.Max(rarest, math.Min(1, x.Propensity))
		sum, squares = sum+w, squares+w*w
		out = append(out, calib.Label{Task: x.Task, Score: *x.Score, Good: x.Good, Gain: math.NaN(), Weight: w})
	}
	for i := range out {
		out[i].Weight *= sum / squares
	}
	return out
}
