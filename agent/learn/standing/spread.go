package standing

import "nearside/policy/calib"

// Spread is how often answers were how sure: counts of equal parts of 0 to 1. The
// zero value has none.
type Spread [20]int

// Bounds of a spread: it counts from so many answers on, and at so many the
// older ones count half.
const (
	leastSpread = 50
	mostSpread  = 10_000
)

// Add counts an answer that was so sure, 0 to 1.
func (s *Spread) Add(sure float64) {
	s[min(len(s)-1, max(0, int(sure*float64(len(s)))))]++
	if s.total() >= mostSpread {
		for i := range s {
			s[i] /= 2
		}
	}
}

func (s *Spread) total() (n int) {
	for _, count := range s {
		n += count
	}
	return n
}

// mean is the chance that an answer is good, by a table and how sure answers
// were.
func (s *Spread) mean(t *calib.Table, class string) float64 {
	sum := 0.0
	for i, count := range s {
		good, _ := t.Good(class, (float64(i)+0.5)/float64(len(s)))
		sum += float64(count) * good
	}
	return sum / float64(s.total())
}

// foreseen is the chance that an answer is good before it is made, by class.
// Labels alone would not tell: those that show by themselves are of answers the
// model was unsure of.
func foreseen(sure map[string]Spread, t *calib.Table) map[string]chance {
	all := map[string]chance{}
	for class, s := range sure {
		if n := s.total(); n >= leastSpread {
			all[class] = chance{s.mean(t, class), n}
		}
	}
	return all
}
