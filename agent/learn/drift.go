package learn

import "nearside/policy/calib"

// What may drift.
const (
	ofScores = "the model is as sure of its answers as it was no more"
	ofAudits = "audits find other shares of errors than they did"
)

// A spread is how often answers were how sure: counts of equal parts of 0 to 1.
type spread [20]int

// Bounds of a spread: it counts from so many answers on, and at so many the
// older ones count half.
const (
	leastSpread = 50
	mostSpread  = 10_000
)

type spreadOf struct{ target, class string }

// watchScore sees how sure a model was of one answer.
func (l *Learner) watchScore(target, class string, sure float64) {
	l.watch(target, ofScores, sure)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := spreadOf{target, class}
	s := l.spreads[key]
	if s == nil {
		s = &spread{}
		l.spreads[key] = s
	}
	s[min(len(s)-1, max(0, int(sure*float64(len(s)))))]++
	if s.total() >= mostSpread {
		for i := range s {
			s[i] /= 2
		}
	}
}

func (s *spread) total() (n int) {
	for _, count := range s {
		n += count
	}
	return n
}

// mean is the chance that an answer is good, by a table and how sure answers
// were.
func (s *spread) mean(t *calib.Table, class string) float64 {
	sum := 0.0
	for i, count := range s {
		good, _ := t.Good(class, (float64(i)+0.5)/float64(len(s)))
		sum += float64(count) * good
	}
	return sum / float64(s.total())
}

// expected is the chance that an answer of a target is good before it is made,
// by class. Labels alone would not tell: those that show by themselves are of
// answers the model was unsure of.
func (l *Learner) expected(target string, t *calib.Table) map[string]chance {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]chance{}
	for key, s := range l.spreads {
		if n := s.total(); key.target == target && n >= leastSpread {
			all[key.class] = chance{s.mean(t, key.class), n}
		}
	}
	return all
}

// watch takes a value from 0 to 1 into what is watched of a target, and raises
// the alarm when its mean has moved. Only what a table claims can be wrong.
func (l *Learner) watch(target, what string, value float64) {
	s := l.known.Load().of[target]
	if s == nil || s.state != Measured {
		return
	}
	if l.moved(target, what, value) {
		l.tally.alarms.Add(1)
		l.nudge()
	}
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
