package whatif

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"nearside/policy"
)

// point is a value that a number might have. What lies beyond it is told by
// above when the route is another from here up, by below from here down.
type point struct {
	at           float64
	above, below string // such as "20 or more" and "below 20"
}

func plain(n float64) point { return point{n, number(n) + " or more", number(n) + " or less"} }

// turn lets a number be anything from low to high. The points are both ends, both
// sides of each limit that the tests have, and where it is.
func (k *knob) turn(tests []*policy.Condition, low, high float64) {
	all := []point{{at: low}, {at: high}}
	for _, c := range tests {
		for _, limit := range []*float64{c.LT, c.GE} {
			if limit != nil {
				under := tidy(*limit - k.step(*limit))
				all = append(all, plain(*limit), point{under, number(under) + " or more", "below " + number(*limit)})
			}
		}
		for _, limit := range []*float64{c.LE, c.GT} {
			if limit != nil {
				over := tidy(*limit + k.step(*limit))
				all = append(all, plain(*limit), point{over, "above " + number(*limit), number(over) + " or less"})
			}
		}
	}
	k.start = math.Inf(-1)
	if n, ok := k.from.(float64); ok {
		k.start = n
		all = append(all, point{at: n})
	}
	all = slices.DeleteFunc(all, func(p point) bool { return p.at < min(low, k.start) && p.at < low || p.at > max(high, k.start) })
	slices.SortStableFunc(all, func(x, y point) int { return cmp.Compare(x.at, y.at) })
	k.points = slices.CompactFunc(all, func(x, y point) bool { return x.at == y.at })
}

// toward lets a number go from where it is, or else is taken to be, to an end.
func (k *knob) toward(taken, end float64) {
	k.start = taken
	if n, ok := k.from.(float64); ok {
		k.start = n
	}
	k.points = []point{{at: min(k.start, end)}, {at: max(k.start, end)}}
	if k.start == end {
		k.points = nil
	}
}

// step is how far from a limit a value is that is beyond it.
func (k *knob) step(limit float64) float64 {
	switch {
	case k.unit > 0:
		return k.unit
	case math.Abs(limit) <= 2: // a share
		return 0.01
	}
	return 0.1
}

// tidy drops what comes of binary fractions.
func tidy(n float64) float64 { return math.Round(n*1e6) / 1e6 }

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// round takes n away from from, to a number of two digits.
func (k *knob) round(n, from float64) float64 {
	if n == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(n)))-1)
	unit = max(unit, k.unit)
	if n > from {
		return tidy(math.Ceil(n/unit) * unit)
	}
	return tidy(math.Floor(n/unit) * unit)
}
