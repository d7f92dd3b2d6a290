package calib

import "math"

// Confidence of every bound that a table gives.
const Confidence = 0.9

// Threshold is the lowest score from which on answers of a class of task may
// be kept, so that with [Confidence] at most the share alpha of those kept is
// wrong; ok is false when the labels do not show any such score, and nothing
// may be kept. A class that has too few labels to show anything is judged by
// all labels together.
//
// The bound is that of [Upper]. Scores are tried from the highest down, at
// counts that only depend on how many labels there are, and the first that
// fails ends the search (fixed-sequence testing, as in Learn then Test,
// Angelopoulos et al., 2021): many scores are tried and the promise still
// holds for the one that is taken.
func (t *Table) Threshold(task string, alpha float64) (score float64, ok bool) {
	if !(alpha > 0 && alpha < 1) {
		return 0, false
	}
	if r, there := t.tasks[task]; there && float64(r.labels) >= r.first(alpha) {
		return r.threshold(alpha)
	}
	return t.pooled.threshold(alpha)
}

// least is how many labels without an error show a rate of at most alpha.
func least(alpha float64) float64 { return math.Ceil(math.Log(1-Confidence) / math.Log1p(-alpha)) }

// first is how many of the labels the first score tried must keep: enough that
// an error or two do not end the search.
func (r *record) first(alpha float64) float64 {
	return math.Max(2*least(alpha), 0.05*float64(r.labels))
}

// stride is by how much the count of kept labels grows from one try to the
// next.
const stride = 1.15

func (r *record) threshold(alpha float64) (score float64, ok bool) {
	kept := Bin{}
	first := r.first(alpha)
	next := first
	for i := len(r.bins) - 1; i >= 0; i-- {
		b := r.bins[i]
		kept.Labels += b.Labels
		kept.Weight += b.Weight
		kept.Squares += b.Squares
		kept.Good += b.Good
		if float64(kept.Labels) < next && i > 0 {
			continue
		}
		if float64(kept.Labels) < first || kept.upper() > alpha {
			return score, ok
		}
		score, ok = b.Low, true
		next = float64(kept.Labels) * stride
	}
	return score, ok
}

// upper bounds the share of wrong answers. Labels of unequal weight count as
// the number of equal ones that would say as much (Kish, 1965).
func (b Bin) upper() float64 {
	n := b.Weight * b.Weight / b.Squares
	return Upper(n*(1-b.Good/b.Weight), n, Confidence)
}

// lower bounds the share of good answers.
func (b Bin) lower() float64 { return 1 - b.upper() }
