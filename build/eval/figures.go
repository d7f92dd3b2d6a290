package main

import (
	"cmp"
	"math"
	"slices"
)

// routed is one ask of a test: the score it was given, higher meaning to the
// cloud, and whether each answer is right.
type routed struct {
	id        int
	score     float64
	near, far bool
}

func (r routed) gain() float64 { return one(r.far) - one(r.near) }

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// curve is PGR at 0, 1/n .. 1: the share of what the cloud would gain in all
// that is gained when the asks of the highest scores go there. Equal scores
// each count with their mean gain. Where nothing is to be gained it is NaN.
type curve []float64

func curveOf(asks []routed) curve {
	sorted := slices.Clone(asks)
	slices.SortStableFunc(sorted, func(a, b routed) int { return cmp.Compare(b.score, a.score) })
	sum := 0.0
	c := curve{0}
	for len(sorted) > 0 {
		n, tied := 0, 0.0
		for n < len(sorted) && sorted[n].score == sorted[0].score {
			tied += sorted[n].gain()
			n++
		}
		for range n {
			sum += tied / float64(n)
			c = append(c, sum)
		}
		sorted = sorted[n:]
	}
	if math.Abs(sum) < 0.5 { // gains are whole numbers
		sum = math.NaN()
	}
	for i := range c {
		c[i] /= sum
	}
	return c
}

// apgr is the mean of PGR, by trapezoids.
func (c curve) apgr() float64 {
	sum := 0.0
	for i := 1; i < len(c); i++ {
		sum += (c[i-1] + c[i]) / 2
	}
	return sum / float64(len(c)-1)
}

// cpt is the least share, in percent, that must be sent for a PGR of p; NaN
// where the cloud gains nothing.
func (c curve) cpt(p float64) float64 {
	i := slices.IndexFunc(c, func(v float64) bool { return v >= p })
	if i < 0 {
		return math.NaN()
	}
	return 100 * float64(i) / float64(len(c)-1)
}

// foretold is an answer with the chance it was given of being right.
type foretold struct {
	id    int
	p     float64
	right bool
}

// bucket is one of the bins of a reliability diagram.
type bucket struct{ foretold, right, n float64 }

// reliability sorts into ten bins of equal counts.
func reliability(all []foretold) [10]bucket {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b foretold) int { return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(a.id, b.id)) })
	var out [10]bucket
	for i := range out {
		some := sorted[i*len(sorted)/10 : (i+1)*len(sorted)/10]
		for _, f := range some {
			out[i].foretold += f.p / float64(len(some))
			out[i].right += one(f.right) / float64(len(some))
		}
		out[i].n = float64(len(some))
	}
	return out
}

// ece is the expected calibration error.
func ece(bins [10]bucket) float64 {
	sum, n := 0.0, 0.0
	for _, b := range bins {
		sum += b.n * math.Abs(b.foretold-b.right)
		n += b.n
	}
	return sum / n
}

// prices are what sending one ask costs, in right answers.
func prices() []float64 { return []float64{0.05, 0.1, 0.2, 0.3, 0.4} }

// nu is the net utility of sending asks whose expected gain, the score, is
// above the price: 0 is the better of always and never, 1 what an oracle would
// reach; the mean over the prices.
func nu(asks []routed) float64 {
	sum := 0.0
	for _, price := range prices() {
		var ours, near, far, best float64
		for _, a := range asks {
			n, f := one(a.near), one(a.far)-price
			near += n
			far += f
			best += math.Max(n, f)
			if a.score > price {
				ours += f
				continue
			}
			ours += n
		}
		base := math.Max(near, far)
		sum += (ours - base) / (best - base)
	}
	return sum / float64(len(prices()))
}

// spread is the mean of some figures and their standard deviation.
func spread(v []float64) (mean, deviation float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		deviation += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, math.Sqrt(deviation)
}
