package calib_test

import (
	"math/rand/v2"
	"testing"

	"nearside/policy/calib"
)

// until is after how many values of a stream the alarm is raised, at most n.
func until(n int, next func(i int) float64) int {
	var d calib.Drift
	for i := range n {
		if d.Take(next(i), calib.DefaultAlarm()) {
			return i
		}
	}
	return n
}

// TestDrift: a stream that stays raises few alarms, one whose mean moves is
// noticed soon, whichever way.
func TestDrift(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	errs := func(p float64) float64 {
		if r.Float64() < p {
			return 1
		}
		return 0
	}
	const streams, steady, after = 200, 10000, 500
	early := 0
	for range streams {
		if until(steady, func(int) float64 { return errs(0.2) }) < steady {
			early++
		}
	}
	if early > streams/20 {
		t.Errorf("%d of %d streams that stay raised an alarm", early, streams)
	}
	for _, c := range []struct{ before, now float64 }{{0.1, 0.3}, {0.2, 0.5}, {0.6, 0.3}} {
		late := 0
		for range streams {
			at := until(after+300, func(i int) float64 {
				if i < after {
					return errs(c.before)
				}
				return errs(c.now)
			})
			late += max(0, at-after)
		}
		if mean := late / streams; mean > 170 {
			t.Errorf("from %v to %v: noticed after %d values in the mean", c.before, c.now, mean)
		}
	}
}

func TestDriftNeedsSome(t *testing.T) {
	a := calib.Alarm{Slack: 0, Height: 0.1, Least: 10}
	var d calib.Drift
	for i := range 9 {
		if d.Take(float64(i), a) {
			t.Fatalf("an alarm after %d values", i+1)
		}
	}
	if !d.Take(9, a) {
		t.Error("no alarm")
	}
}
