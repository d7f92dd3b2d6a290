package learn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"time"

	"nearside/policy/calib"
)

// Bounds of a fit.
const (
	mostLabels  = 5000  // of one model, the latest
	leastLabels = 50    // without a prior, or after a drift
	freshLabels = 20    // from which on a table is fitted again
	rarest      = 0.001 // propensity of a label; below it counts as that
)

// epoch is what must be remembered of a target: labels from before Since do
// not count any more, nor does what was measured by then, since it has drifted.
type epoch struct {
	Model  string    `json:"model"` // identity
	Since  time.Time `json:"since,omitzero"`
	Doubt  string    `json:"doubt,omitempty"`  // why what is known from before holds no more, while too little else is known
	Fitted bool      `json:"fitted,omitempty"` // there was a table
	Prior  string    `json:"prior,omitempty"`  // digest of what was measured before Since; another is new evidence
}

func epochFact(target string) string { return "learn_epoch/" + target }

// epoch reads what is remembered of a target; the zero epoch is nothing.
func (l *Learner) epoch(ctx context.Context, target string) epoch {
	var e epoch
	if f := l.parts.Facts(); f != nil {
		if text, ok, err := f.Fact(ctx, epochFact(target)); ok && err == nil {
			_ = json.Unmarshal([]byte(text), &e) // what is no epoch is none
		}
	}
	return e
}

// remember keeps an epoch when it is not the one that is kept.
func (l *Learner) remember(ctx context.Context, target string, e epoch) {
	f := l.parts.Facts()
	if f == nil || e == l.epoch(ctx, target) {
		return
	}
	text, err := json.Marshal(e)
	if err == nil {
		err = f.SetFact(ctx, epochFact(target), string(text))
	}
	if err != nil && ctx.Err() == nil {
		l.parts.Log.Warn("a calibration is in force that the next start may not know", "target", target, "err", err)
	}
}

// think brings what is known of every local target up to date: targets whose
// models are other ones, those that drifted, those with new labels. It is false
// where labels cannot be had yet.
func (l *Learner) think(ctx context.Context) (known bool) {
	off := l.settings.Load().Off
	if !off && l.parts.Shelf() == nil {
		return false
	}
	if !off && l.counts.Load() == nil {
		l.recount(ctx)
	}
	models := l.parts.Models(ctx)
	for target, m := range models {
		s := l.known.Load().of[target]
		doubt, due := l.news(target)
		if s != nil && s.model == m && doubt == "" && !due {
			continue
		}
		l.fit(ctx, target, m, doubt)
	}
	for target := range l.known.Load().of {
		if _, there := models[target]; !there {
			l.publish(target, nil)
		}
	}
	return true
}

// news tells what drifted of a target since the last call, "" for nothing, and
// whether it has labels enough to be fitted again; then they count as seen.
func (l *Learner) news(target string) (doubt string, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	doubt = l.alarms[target]
	delete(l.alarms, target)
	if due = l.fresh[target] >= freshLabels; due {
		l.fresh[target] = 0
	}
	return doubt, due
}

// fit makes the standing of a target from its prior and its labels.
func (l *Learner) fit(ctx context.Context, target string, m calib.Model, doubt string) {
	list, off := []Label(nil), l.settings.Load().Off
	if !off {
		var err error
		if list, err = l.parts.Shelf().Labels(ctx, m.SHA256, mostLabels); err != nil {
			l.tally.failed.Add(1)
			return
		}
	}
	e := l.epoch(ctx, target)
	changed := e.Model != "" && e.Model != m.SHA256 && e.Fitted
	if e.Model != m.SHA256 {
		e = epoch{Model: m.SHA256}
	}
	if doubt != "" {
		e.Since, e.Doubt = l.parts.Now().UTC().Truncate(time.Millisecond), doubt
	}
	s := l.standing(m, list, &e, doubt != "")
	if s.table != nil {
		s.good = l.expected(target, s.table)
		s.text = l.read(ctx, list, &e)
	}
	if s.table == nil && changed {
		s.state = Changed // and the other model is remembered, so that the next start knows of it
	} else if !off {
		e.Fitted = s.table != nil
		l.remember(ctx, target, e)
	}
	l.publish(target, s)
}

// standing is what prior, labels and the epoch make of a model; fresh is an
// epoch that has just begun. A doubt is over when enough is known from after it,
// or the model was measured anew.
func (l *Learner) standing(m calib.Model, list []Label, e *epoch, fresh bool) *standing {
	s := &standing{model: m, state: Measured}
	prior, origin := l.before(s)
	if fresh {
		e.Prior = digest(prior)
	}
	anew := prior != nil && digest(prior) != e.Prior
	since := usable(list, e.Since)
	if len(since) >= leastLabels || anew {
		e.Doubt = ""
	}
	switch {
	case e.Doubt != "":
		s.state, s.why = Doubted, e.Doubt
		since = usable(list, time.Time{})
	case !e.Since.IsZero() && !anew:
		prior, origin, s.prior = nil, "", nil
	}
	s.origin = origin
	s.table, s.labels = fitted(m, prior, since)
	if s.table == nil {
		s.state = Unmeasured
		return s
	}
	s.version = digest(s.table)
	return s
}

// before notes what was measured of a standing's model before, or why that
// cannot be used.
func (l *Learner) before(s *standing) (*calib.Table, string) {
	b, err := l.parts.Prior(s.model)
	if err != nil {
		s.fault = err.Error()
	}
	if b == nil || err != nil {
		return nil, ""
	}
	s.prior = b.Table
	return b.Table, b.From
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

// publish puts a standing in force, nil for none, and tells of it.
func (l *Learner) publish(target string, s *standing) {
	was := l.known.Load()
	next := was.replaced(target, s)
	l.known.Store(next)
	if s != nil && s.labels > 0 {
		l.tally.refits.Add(1)
	}
	if before := was.of[target]; s == nil || before == nil || before.state != s.state {
		l.parts.Changed()
	}
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
func usable(list []Label, since time.Time) []calib.Label {
	var out []calib.Label
	sum, squares := 0.0, 0.0
	for _, x := range counting(list, func(x *Label) bool { return x.Score != nil && !x.At.Before(since) }) {
		w := x.Weight / math.Max(rarest, math.Min(1, x.Propensity))
		sum, squares = sum+w, squares+w*w
		out = append(out, calib.Label{Task: x.Task, Score: *x.Score, Good: x.Good, Gain: math.NaN(), Weight: w})
	}
	for i := range out {
		out[i].Weight *= sum / squares
	}
	return out
}

// counting are the labels that serve, of each decision that of the first source,
// in their order, so that the same labels make the same table.
func counting(list []Label, serves func(*Label) bool) []*Label {
	best := map[string]*Label{}
	for i := range list {
		x := &list[i]
		if old := best[x.Decision]; serves(x) && (old == nil || rank(x.Source) < rank(old.Source)) {
			best[x.Decision] = x
		}
	}
	var out []*Label
	for i := range list {
		if best[list[i].Decision] == &list[i] {
			out = append(out, &list[i])
		}
	}
	return out
}

func rank(source string) int { return slices.Index(sources[:], source) }
