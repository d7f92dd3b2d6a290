package learn

import (
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy/calib"
)

// What may drift.
const (
	ofScores = "the model is as sure of its answers as it was no more"
	ofAudits = "audits find other shares of errors than they did"
)

type spreadOf struct{ target, class string }

// watchScore sees how sure a model was of one answer.
func (l *Learner) watchScore(target, class string, sure float64) {
	l.watch(target, ofScores, sure)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := spreadOf{target, class}
	if l.spreads[key] == nil {
		l.spreads[key] = &standing.Spread{}
	}
	l.spreads[key].Add(sure)
}

// sure is how sure a target's answers were lately, by class.
func (l *Learner) sure(target string) map[string]standing.Spread {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]standing.Spread{}
	for key, s := range l.spreads {
		if key.target == target {
			all[key.class] = *s
		}
	}
	return all
}

// watch takes a value from 0 to 1 into what is watched of a target, and raises
// the alarm when its mean has moved. Only what a table claims can be wrong.
func (l *Learner) watch(target, what string, value float64) {
	s := l.known.Load().Of[target]
	if s == nil || s.State != standing.Measured {
		return
	}
	if l.moved(target, what, value) {
		l.tally.alarms.Add(1)
		l.nudge()
	}
}

// audited takes what an audit found.
func (l *Learner) audited(x label.Label) {
	l.watch(x.Target, ofAudits, 1-x.Good)
	l.offer(x)
}

func (l *Learner) moved(target, what string, value float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := target + " " + what
	d := l.watched[key]
	if d == nil {
		d = &calib.Drift{}
		l.watched[key] = d
	}
	if !d.Take(value, calib.DefaultAlarm()) {
		return false
	}
	for _, what := range []string{ofScores, ofAudits} {
		delete(l.watched, target+" "+what)
	}
	l.alarms[target] = what
	return true
}
