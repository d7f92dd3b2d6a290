package main

import (
	"cmp"
	"slices"
	"time"
)

// quantile is the value below which the share q of all lies; 0 of none.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// first is the first error there is.
func first(errs ...error) error { return cmp.Or(errs...) }
