package calib

import (
	"cmp"
	"math"
	"slices"
)

// Label is one answer of a model that was judged.
type Label struct {
	Task   string  // class of the question
	Score  float64 // how sure the model seemed; any scale that rises, within MaxScore
	Good   float64 // 1 the answer was good, 0 it was not, or between
	Gain   float64 // Good of the cloud's answer less Good, -1 to 1; NaN is not known
	Weight float64 // one over the chance that it was judged; 0 counts as 1
}

// weight is how much the label counts.
func (l Label) weight() float64 {
	if l.Weight == 0 {
		return 1
	}
	return l.Weight
}

// Bin sums up the labels of neighbouring scores. In a table of few labels each
// score has a bin of its own.
type Bin struct {
	Low     float64 `json:"low"`     // the lowest score
	Score   float64 `json:"score"`   // the mean score
	Labels  int     `json:"labels"`  // how many
	Weight  float64 `json:"weight"`  // sum of the weights
	Squares float64 `json:"squares"` // sum of their squares
	Good    float64 `json:"good"`    // weight of the good ones
	Judged  float64 `json:"judged"`  // weight of those whose gain is known
	Gain    float64 `json:"gain"`    // weighted sum of the gains
}

// add takes in the labels of another bin.
func (b *Bin) add(c Bin) {
	b.Low = min(b.Low, c.Low)
	b.Score += (c.Score - b.Score) * c.Weight / (b.Weight + c.Weight) // equal scores stay what they are
	b.Labels += c.Labels
	b.Weight += c.Weight
	b.Squares += c.Squares
	b.Good += c.Good
	b.Judged += c.Judged
	b.Gain += c.Gain
}

func (l Label) bin() Bin {
	w := l.weight()
	b := Bin{Low: l.Score, Score: l.Score, Labels: 1, Weight: w, Squares: w * w, Good: w * l.Good}
	if !math.IsNaN(l.Gain) {
		b.Judged, b.Gain = w, w*l.Gain
	}
	return b
}

// bins sums labels up by score, in at most MaxBins bins of about equal counts,
// scores rising. Equal scores are never parted.
func bins(labels []Label) []Bin {
	sorted := slices.Clone(labels)
	slices.SortFunc(sorted, func(a, b Label) int { return cmp.Compare(a.Score, b.Score) })
	per := (len(labels) + MaxBins - 1) / MaxBins
	var out []Bin
	for i, l := range sorted {
		last := len(out) - 1
		if i > 0 && (l.Score == sorted[i-1].Score || out[last].Labels < per) {
			out[last].add(l.bin())
			continue
		}
		out = append(out, l.bin())
	}
	return out
}

// record is what is known of one class of task, or of all.
type record struct {
	bins   []Bin
	labels int
	judged float64
	good   Curve // P(good) over the score
	loss   Curve // expected gain, negated so that it rises with the score
}

func recordOf(bins []Bin) record {
	r := record{bins: bins}
	var good, loss []Point
	known := 0
	for _, b := range bins {
		r.labels += b.Labels
		r.judged += b.Judged
		good = append(good, Point{X: b.Score, Y: b.Good / b.Weight, W: b.Weight})
		if b.Judged > 0 {
			known += b.Labels
			loss = append(loss, Point{X: b.Score, Y: -b.Gain / b.Judged, W: b.Judged})
		}
	}
	r.good, r.loss = smooth(good, r.labels, true), smooth(loss, known, false)
	return r
}
