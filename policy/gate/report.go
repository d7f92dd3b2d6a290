package gate

import (
	"cmp"
	"slices"
)

// Report says how well a gate will do, by examples it had not seen.
type Report struct {
	Intents  int     `json:"intents"`
	Examples int     `json:"examples"` // in scope
	Outside  int     `json:"outside"`  // labelled [Outside]
	LeftOut  int     `json:"left_out"` // of intents that a gate was made without
	Accuracy float64 `json:"accuracy"` // share of examples in scope given their intent
	AUROC    float64 `json:"auroc"`    // confidence of what is in scope over that of what is not
	Curve    []Point `json:"curve"`
	Confused []Pair  `json:"confused"` // most frequent first, at most 20

	intents []string
	seen    []seen
	pairs   map[[2]int]int
}

// Point is what a threshold on the confidence does.
type Point struct {
	Threshold float64 `json:"threshold"`
	Accepted  float64 `json:"accepted"`   // share of examples in scope at or above it
	Right     float64 `json:"right"`      // share of examples in scope at or above it and given their intent
	Outside   float64 `json:"outside"`    // share of [Outside] examples at or above it; of left-out ones where there are none
	WrongKept float64 `json:"wrong_kept"` // of the examples in scope at or above it, the share given another intent
}

// Pair counts examples of one intent that were taken for another.
type Pair struct {
	Intent string `json:"intent"`
	Taken  string `json:"taken"`
	Count  int    `json:"count"`
}

// seen is one verdict on an example.
type seen struct {
	signs signs
	kind  kind
}

type kind int

const (
	right kind = iota
	wrong
	outside
	left
)

func newReport(c *corpus) *Report {
	return &Report{
		Intents: len(c.intents), Examples: len(c.texts) - c.outside, Outside: c.outside,
		intents: c.intents, pairs: map[[2]int]int{},
	}
}

func (r *Report) crossed(label int, e evidence) {
	switch {
	case label < 0:
		r.seen = append(r.seen, seen{e.signs, outside})
	case label == e.first:
		r.seen = append(r.seen, seen{e.signs, right})
	default:
		r.seen = append(r.seen, seen{e.signs, wrong})
		r.pairs[[2]int{label, e.first}]++
	}
}

func (r *Report) leftOut(e evidence) {
	r.seen = append(r.seen, seen{e.signs, left})
	r.LeftOut++
}

// outsideShare is how much of what comes is taken to be out of scope, and
// labelledShare how much of that labelled examples stand for, at most.
const (
	outsideShare  = 0.2
	labelledShare = 0.5
)

// judged weighs the verdicts: one out of scope counts for its share.
func (r *Report) judged() []judged {
	in, out := float64(r.Examples), float64(r.Examples)*outsideShare/(1-outsideShare)
	labelled := labelledShare * min(1, float64(r.Outside)/100)
	weight := [4]float64{right: 1, wrong: 1}
	if r.Outside > 0 {
		weight[outside] = out * labelled / float64(r.Outside)
	}
	weight[left] = out * (1 - labelled) / float64(max(r.LeftOut, 1))
	list := make([]judged, len(r.seen))
	for i, s := range r.seen {
		list[i] = judged{s.signs, s.kind == right, weight[s.kind] / in}
	}
	return list
}

// finish works the figures out.
func (r *Report) finish(j *judge) (accuracy float64) {
	var by [4][]float64
	for _, s := range r.seen {
		by[s.kind] = append(by[s.kind], j.confidence(s.signs))
	}
	out := by[outside]
	if len(out) == 0 {
		out = by[left]
	}
	in := slices.Concat(by[right], by[wrong])
	r.Accuracy = float64(len(by[right])) / float64(len(in))
	r.AUROC = above(in, out)
	for t := range 20 {
		r.Curve = append(r.Curve, point(float64(t)/20, by[right], by[wrong], out))
	}
	r.Confused = r.confused()
	return r.Accuracy
}

func point(t float64, right, wrong, out []float64) Point {
	in := float64(len(right) + len(wrong))
	good, bad := float64(reach(right, t)), float64(reach(wrong, t))
	return Point{
		Threshold: t, Accepted: (good + bad) / in, Right: good / in,
		Outside: float64(reach(out, t)) / float64(max(len(out), 1)), WrongKept: bad / max(good+bad, 1),
	}
}

func reach(list []float64, t float64) (n int) {
	for _, v := range list {
		if v >= t {
			n++
		}
	}
	return n
}

// above is the chance that one of a exceeds one of b; equal ones count half.
func above(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	b = slices.Sorted(slices.Values(b))
	sum := 0
	for _, v := range a {
		less, _ := slices.BinarySearch(b, v)
		upTo, _ := slices.BinarySearchFunc(b, v, func(e, v float64) int {
			if e <= v {
				return -1
			}
			return 1
		})
		sum += less + upTo
	}
	return float64(sum) / 2 / float64(len(a)) / float64(len(b))
}

func (r *Report) confused() []Pair {
	list := []Pair{}
	for p, n := range r.pairs {
		list = append(list, Pair{r.intents[p[0]], r.intents[p[1]], n})
	}
	slices.SortFunc(list, func(a, b Pair) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Intent, b.Intent), cmp.Compare(a.Taken, b.Taken))
	})
	return list[:min(20, len(list))]
}
