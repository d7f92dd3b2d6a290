package calib_test

import (
	"math"
	"testing"

	"nearside/policy/calib"
)

// TestUpper compares with values that follow from the binomial distribution:
// without an error 1 - (1-c)^(1/n), with all but one wrong c^(1/n), and two of
// R's binom.test.
func TestUpper(t *testing.T) {
	for _, c := range []struct{ errors, n, confidence, want float64 }{
		{0, 0, 0.9, 1}, {5, 5, 0.9, 1}, {0, 1, 0.9, 0.9},
		{0, 22, 0.9, 1 - math.Pow(0.1, 1.0/22)},
		{0, 1e6, 0.95, -math.Expm1(math.Log(0.05) / 1e6)},
		{9, 10, 0.9, math.Pow(0.9, 0.1)},
		{7, 21, 0.975, 0.5697}, {14, 21, 0.975, 1 - 0.1459}, {682, 925, 0.975, 0.7654},
	} {
		if got := calib.Upper(c.errors, c.n, c.confidence); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%v of %v at %v: got %v, want %v", c.errors, c.n, c.confidence, got, c.want)
		}
	}
}

// TestCoverage adds up the chances of all counts whose bound holds: by the
// bound's promise at least its confidence.
func TestCoverage(t *testing.T) {
	for _, n := range []int{1, 7, 30, 120} {
		for _, p := range []float64{0.01, 0.05, 0.1, 0.25, 0.5, 0.9} {
			holds := 0.0
			for k := range n + 1 {
				if calib.Upper(float64(k), float64(n), 0.9) >= p {
					holds += chance(k, n, p)
				}
			}
			if holds < 0.9-1e-9 {
				t.Errorf("n %d, p %v: the bound holds with %v", n, p, holds)
			}
		}
	}
}

// chance is that of k successes in n.
func chance(k, n int, p float64) float64 {
	all, _ := math.Lgamma(float64(n + 1))
	in, _ := math.Lgamma(float64(k + 1))
	out, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(all - in - out + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}
