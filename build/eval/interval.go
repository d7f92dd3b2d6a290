package main

import (
	"math/rand/v2"
	"slices"
)

// resamples is how many tests of the same size are drawn for an interval.
const resamples = 500

// interval is where a figure of n asks would lie 95 times of 100, by drawing
// the asks again with a fixed seed (Efron, 1979).
func interval(n int, figure func(pick []int) float64) (low, high float64) {
	r := rand.New(rand.NewPCG(1, 0))
	var all []float64
	pick := make([]int, n)
	for range resamples {
		for i := range pick {
			pick[i] = r.IntN(n)
		}
		all = append(all, figure(pick))
	}
	slices.Sort(all)
	return all[resamples/40], all[resamples-1-resamples/40]
}

// picked are some of all, in that order.
func picked[T any](all []T, pick []int) []T {
	out := make([]T, len(pick))
	for i, at := range pick {
		out[i] = all[at]
	}
	return out
}
