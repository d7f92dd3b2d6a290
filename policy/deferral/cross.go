package deferral

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
)

// folds are the parts of the labels of which each is foretold from the others.
const folds = 5

// level is the variance of gains from which on they count as different.
const level = 1e-9

// Merit is what models are worth on labels they have not seen.
type Merit struct {
	Explained float64 // share of the gains' variance that is foretold: 1 is all of it, below 0 is worse than their mean
	Error     float64 // standard error of Explained
}

// Better tells whether text foretells more than the mean does, by more than two
// standard errors: a fit that is tried again and again is lucky at times.
func (m Merit) Better() bool { return m.Explained > 2*m.Error }

// Cross is the merit of fits from four fifths of the labels on the fifth that
// they have not seen. Equal texts are in one part, and count as one when the
// error is reckoned (Liang and Zeger, 1986), so that a question that is asked
// often does not prove itself. It refuses what [Fit] refuses.
func Cross(labels []Label) (Merit, error) {
	parts := make([][]Label, folds)
	keys := make([][]uint64, folds)
	for i, l := range labels {
		if err := l.check(); err != nil {
			return Merit{}, fmt.Errorf("cross-validate deferral: label %d: %w", i, err)
		}
		key := l.sketch().key()
		at := key % folds
		parts[at], keys[at] = append(parts[at], l), append(keys[at], key)
	}
	t := trial{by: map[uint64]float64{}}
	for at := range parts {
		rest := others(parts, at)
		m, err := Fit(rest)
		if err != nil {
			return Merit{}, fmt.Errorf("cross-validate deferral: without part %d: %w", at, err)
		}
		t.mean = Mean(rest)
		t.judge(m, parts[at], keys[at])
	}
	return t.merit(), nil
}

// others are the labels of all parts but one.
func others(parts [][]Label, one int) (all []Label) {
	for i, p := range parts {
		if i != one {
			all = append(all, p...)
		}
	}
	return all
}

// key is the same for the same text.
func (s Sketch) key() uint64 {
	h := fnv.New64a()
	h.Write(s)
	return h.Sum64()
}

// trial sums up how well gains are foretold.
type trial struct {
	by    map[uint64]float64 // by text: how much less the squares of the errors are than with the mean
	mean  float64            // gain of the labels that the model was fitted from
	total float64            // squares of the errors with the mean

	weight float64 // of all labels
}

// judge sees a model foretell labels it was not fitted from.
func (t *trial) judge(m *Model, part []Label, keys []uint64) {
	for i, l := range part {
		plain, told := l.Gain-t.mean, l.Gain-m.GainOf(l.sketch())
		t.by[keys[i]] += l.weight() * (plain*plain - told*told)
		t.total += l.weight() * plain * plain
		t.weight += l.weight()
	}
}

func (t *trial) merit() Merit {
	if t.total <= level*t.weight {
		return Merit{}
	}
	sum, squares := 0.0, 0.0
	for _, key := range slices.Sorted(maps.Keys(t.by)) { // in order: the same labels have the same merit
		d := t.by[key]
		sum, squares = sum+d, squares+d*d
	}
	return Merit{sum / t.total, math.Sqrt(squares) / t.total}
}
