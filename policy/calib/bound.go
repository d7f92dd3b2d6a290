package calib

import "math"

// Upper is the highest rate of errors that n asks of which `errors` were wrong
// are compatible with, at the given confidence (0 to 1): the one-sided bound
// of Clopper and Pearson (1934). It is 1 when n is 0. Weighted counts need not
// be whole.
func Upper(errors, n, confidence float64) float64 {
	if n <= 0 || errors >= n {
		return 1
	}
	return quantile(confidence, errors+1, n-errors)
}

// quantile is the x at which the beta distribution of a and b reaches p, by
// bisection: 60 halvings are more than a float64 shows.
func quantile(p, a, b float64) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		mid := (low + high) / 2
		if incomplete(mid, a, b) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// incomplete is the regularised incomplete beta function I_x(a, b).
func incomplete(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return math.Max(0, math.Min(1, x))
	}
	whole, _ := math.Lgamma(a + b)
	left, _ := math.Lgamma(a)
	right, _ := math.Lgamma(b)
	front := math.Exp(whole - left - right + a*math.Log(x) + b*math.Log1p(-x))
	if x < (a+1)/(a+b+2) {
		return front * fraction(x, a, b) / a
	}
	return 1 - front*fraction(1-x, b, a)/b
}

// fraction is the continued fraction of the incomplete beta function, from its
// front by Lentz's method (DLMF 8.17.22). It converges fast for
// x < (a+1)/(a+b+2).
func fraction(x, a, b float64) float64 {
	const tiny, enough, rounds = 1e-300, 1e-15, 1000
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1), tiny)
	f := d
	for i := 1; i <= rounds; i++ {
		m := float64(i)
		for _, k := range [2]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / away(1+k*d, tiny)
			c = away(1+k/c, tiny)
			f *= c * d
		}
		if math.Abs(c*d-1) < enough {
			break
		}
	}
	return f
}

// away keeps a divisor away from zero.
func away(v, tiny float64) float64 {
	if math.Abs(v) < tiny {
		return tiny
	}
	return v
}
