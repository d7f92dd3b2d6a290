package learn

import (
	"context"
	"encoding/json"

	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy/calib"
)

// Bounds of a fit.
const (
	mostLabels  = 5000 // of one model, the latest
	freshLabels = 20   // from which on a table is fitted again
)

func epochFact(target string) string { return "learn_epoch/" + target }

// epoch reads what is remembered of a target; the zero epoch is nothing.
func (l *Learner) epoch(ctx context.Context, target string) standing.Epoch {
	var e standing.Epoch
	if f := l.parts.Facts(); f != nil {
		if text, ok, err := f.Fact(ctx, epochFact(target)); ok && err == nil {
			_ = json.Unmarshal([]byte(text), &e) // what is no epoch is none
		}
	}
	return e
}

// remember keeps an epoch when it is not the one that is kept.
func (l *Learner) remember(ctx context.Context, target string, e standing.Epoch) {
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
	defer l.parts.Beside()()
	off := l.settings.Load().Off
	if !off && l.parts.Shelf() == nil {
		return false
	}
	if !off && l.counts.Load() == nil {
		l.recount(ctx)
	}
	models := l.parts.Models(ctx)
	for target, m := range models {
		s := l.known.Load().Of[target]
		doubt, due := l.news(target)
		if s != nil && s.Model == m && doubt == "" && !due {
			continue
		}
		l.fit(ctx, target, m, doubt)
	}
	for target := range l.known.Load().Of {
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
	list, off := []label.Label(nil), l.settings.Load().Off
	if !off {
		var err error
		if list, err = l.parts.Shelf().Labels(ctx, m.SHA256, mostLabels); err != nil {
			l.tally.failed.Add(1)
			return
		}
	}
	v := standing.Evidence{Model: m, Labels: list, Sure: l.sure(target), Doubt: doubt, Now: l.parts.Now()}
	if l.parts.World != nil {
		v.Doc = l.parts.World().Doc
	}
	var err error
	if v.Before, err = l.parts.Prior(m); err != nil {
		v.Before, v.Fault = nil, err.Error()
	}
	s, next := standing.Of(ctx, v, l.epoch(ctx, target))
	if !off {
		l.remember(ctx, target, next)
	}
	l.publish(target, s)
}

// publish puts a standing in force, nil for none, and tells of it.
func (l *Learner) publish(target string, s *standing.Standing) {
	was := l.known.Load()
	next := was.Replaced(target, s)
	l.known.Store(next)
	if s != nil && s.Labels > 0 {
		l.tally.refits.Add(1)
	}
	if before := was.Of[target]; s == nil || before == nil || before.State != s.State {
		l.parts.Changed()
	}
}
