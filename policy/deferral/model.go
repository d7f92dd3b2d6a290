package deferral

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
)

// Bounds of a fit.
const (
	MaxLabels = 1500
	MinLabels = 20

	// strength is the ridge's lambda: about the variance of one label's gain
	// over that of a text's true gain. From 30 to 120 the figures of docs/EVAL.md
	// are the same.
	strength = 30
)

// Label is an ask whose gain is known: 1 when only the cloud's answer was
// good, -1 when only the device's was, 0 when there was nothing to choose.
type Label struct {
	Text   string
	Sketch Sketch  // in place of the text, where only that was kept
	Gain   float64 // -1 to 1
	Weight float64 // one over the chance that the label was taken; 0 counts as 1
}

// Model foretells gains. It does not change; any number of goroutines may
// read it.
type Model struct {
	weights   []float32
	rare      []float32
	intercept float64
}

// Fit learns from labels. It refuses fewer than [MinLabels] or more than
// [MaxLabels], and what is out of bounds by the index of the label.
func Fit(labels []Label) (*Model, error) {
	if len(labels) < MinLabels || len(labels) > MaxLabels {
		return nil, fmt.Errorf("fit deferral: %d labels: it must be %d to %d", len(labels), MinLabels, MaxLabels)
	}
	m, seen := &Model{}, make([]uint16, buckets)
	sketches := make([]Sketch, len(labels))
	for i, l := range labels {
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("fit deferral: label %d: %w", i, err)
		}
		sketches[i] = l.sketch()
		sketches[i].count(seen)
	}
	m.rare = rarity(seen, len(labels))
	p := problemOf(labels)
	for _, s := range sketches {
		p.rows = append(p.rows, s.features(m.rare))
	}
	w, b := p.solve()
	m.intercept = b
	for _, v := range w {
		m.weights = append(m.weights, float32(v))
	}
	return m, nil
}

// problemOf is the regression on the labels, without its rows.
func problemOf(labels []Label) *problem {
	p := &problem{lambda: strength}
	total := 0.0
	for _, l := range labels {
		p.y = append(p.y, l.Gain)
		p.weight = append(p.weight, l.weight())
		total += l.weight()
	}
	for i := range p.weight {
		p.weight[i] *= float64(len(labels)) / total
	}
	return p
}

// Digest names the model: it is the SHA-256 of all that its gains are made of.
func (m *Model) Digest() [sha256.Size]byte {
	text := binary.LittleEndian.AppendUint64(nil, math.Float64bits(m.intercept))
	for _, list := range [][]float32{m.rare, m.weights} {
		for _, x := range list {
			text = binary.LittleEndian.AppendUint32(text, math.Float32bits(x))
		}
	}
	return sha256.Sum256(text)
}

// Mean is the mean gain of labels, by their weights; 0 of none.
func Mean(labels []Label) float64 {
	if len(labels) == 0 {
		return 0
	}
	return problemOf(labels).base()
}

// count adds the buckets of one label: of its words, and of its pairs.
func (s Sketch) count(seen []uint16) {
	for i := counted + 2; i < len(s); i += entry {
		seen[binary.LittleEndian.Uint16(s[i:])]++
	}
}

// rarity is how much a bucket weighs by the share of labels it is in: the root
// of the usual logarithm, and little where it is in nearly all. What no label
// has cannot be judged and weighs nothing.
func rarity(seen []uint16, labels int) []float32 {
	out := make([]float32, len(seen))
	for i, n := range seen {
		if n > 0 {
			out[i] = float32(math.Sqrt(math.Max(0.05, math.Log(float64(labels+1)/float64(n)))))
		}
	}
	return out
}

func (l Label) sketch() Sketch {
	if l.Sketch != nil {
		return l.Sketch
	}
	return SketchOf(l.Text)
}

// weight is how much the label counts.
func (l Label) weight() float64 {
	if l.Weight == 0 {
		return 1
	}
	return l.Weight
}

// check tells why a label cannot be used.
func (l Label) check() error {
	switch {
	case !(l.Gain >= -1 && l.Gain <= 1):
		return fmt.Errorf("gain is %v: it must be -1 to 1", l.Gain)
	case !(l.Weight >= 0 && l.Weight <= 1e6):
		return fmt.Errorf("weight is %v: it must be 0 to 1e6", l.Weight)
	case l.Sketch != nil:
		return l.Sketch.Check()
	}
	return nil
}

// Gain is what sending the text to the cloud is expected to gain, -1 to 1: the
// chance that only the cloud answers well less the chance that only the device
// does.
func (m *Model) Gain(text string) float64 { return m.GainOf(SketchOf(text)) }

// GainOf is the gain of the text that a sketch of [SketchOf] is of.
func (m *Model) GainOf(s Sketch) float64 {
	x := s.features(m.rare)
	return math.Max(-1, math.Min(1, m.intercept+dot(x, m.weights)))
}
