package whatif

import (
	"math"
	"slices"
)

// scan tries the points of a number. From where it is, it tells for each other
// target the nearest span, up and down, in which that one goes first.
func (s *search) scan(k *knob) {
	spots := make([]spot, len(k.points))
	here := slices.IndexFunc(k.points, func(p point) bool { return p.at == k.start })
	for i, p := range k.points {
		spots[i] = spot{p, s.first}
		if i == here && k.from != nil {
			continue
		}
		word := p.above
		if p.at < k.start {
			word = p.below
		}
		var ok bool
		if spots[i].route, ok = s.single(k, p.at, word); !ok {
			return
		}
	}
	if here >= 0 && spots[here].target != s.first.target {
		return // what is taken for the unknown makes a difference by itself
	}
	s.spans(k, s.edges(k, spots[max(0, here):]), here >= 0)
	if here > 0 {
		down := spots[:here+1]
		slices.Reverse(down)
		s.spans(k, s.edges(k, down), true)
	}
}

// spot is a point and what comes first there.
type spot struct {
	point
	route
}

// edges adds to spots that lie in one direction those at which the route
// changes between two of them.
func (s *search) edges(k *knob, spots []spot) []spot {
	var all []spot
	for i, next := range spots {
		for i > 0 && all[len(all)-1].target != next.target {
			e, ok := s.edge(k, all[len(all)-1], next)
			if !ok {
				break
			}
			all = append(all, e)
		}
		all = append(all, next)
	}
	return all
}

// How closely an edge is looked for: in steps of halves, down to this share of it.
const (
	maxHalves   = 22
	closeEnough = 0.01
)

// edge is the nearest spot on the way from near to far that has another route
// than near; ok is false when far is that already.
func (s *search) edge(k *knob, near, far spot) (e spot, ok bool) {
	low, high := near.at, far
	for range maxHalves {
		mid := (low + high.at) / 2
		if k.unit > 0 {
			mid = tidy(math.Round(mid/k.unit) * k.unit)
		}
		if math.Abs(high.at-low) <= max(1.001*k.step(high.at), closeEnough*math.Abs(high.at)) || mid == low || mid == high.at {
			break
		}
		switch r, ok := s.single(k, mid, ""); {
		case !ok:
			return far, false
		case r.target == near.target:
			low = mid
		default:
			high = spot{plain(mid), r}
		}
	}
	if high.at == far.at {
		return far, false
	}
	return s.rounded(k, near, high, far), true
}

// rounded takes an edge to a round number further out that does as well.
func (s *search) rounded(k *knob, near, e, far spot) spot {
	round := k.round(e.at, near.at)
	if round == e.at || (round-far.at)*(e.at-far.at) <= 0 {
		return e
	}
	if r, ok := s.single(k, round, ""); ok && r.target == e.target {
		return spot{plain(round), r}
	}
	return e
}

// spans tells where in one direction others come first. The first spot is where
// the number is, or where nothing is known of it the least it can be.
func (s *search) spans(k *knob, spots []spot, known bool) {
	seen := map[string]bool{s.first.target: true}
	for i, from := range spots {
		if seen[from.target] {
			continue
		}
		seen[from.target] = true
		last := i
		for last+1 < len(spots) && spots[last+1].target == from.target {
			last++
		}
		near, far := from.above, spots[last].below
		if known && from.at < k.start {
			near, far = from.below, spots[last].above
		}
		if last == len(spots)-1 || math.Abs(spots[last+1].at-spots[last].at) > 1.001*k.step(spots[last].at) {
			far = "" // it goes on to the end, or to an edge
		}
		if text := between(near, far); text != "" {
			s.tell(from.route, k.name+text, Setting{k.field, k.from, from.at})
		}
	}
}

func between(near, far string) string {
	if near == "" || far == "" {
		return near + far
	}
	return near + " and " + far
}
