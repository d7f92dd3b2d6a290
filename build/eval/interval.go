package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how many tests of the same size are drawn for an interval.
const resamples = 500

// interval is where a figure of n asks would lie 95 times of 100, by drawing
// the asks again with a fixed seed (Efron, 1979). Draws of which the figure is
// not defined, NaN, do not count.
func interval(n int, figure func(pick []int) float64) (low, high float64) {
	r := rand.New(rand.NewPCG(1, 0))
	var all []float64
	pick := make([]int, n)
	for range resamples {
		for i := range pick {
			pick[i] = r.IntN(n)
		}
		if v := figure(pick); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(all)
	return all[len(all)/40], all[len(all)-1-len(all)/40]
}

// picked are some of all, in that order.
func picked[T any](all []T, pick []int) []T {
	out := make([]T, len(pick))
	for i, at := range pick {
		out[i] = all[at]
	}
	return out
}
