package deferral

import (
	"fmt"
	"math"
)

// Bounds of a fit.
const (
	MaxLabels = 1500
	MinLabels = 50

	// strength is the ridge's lambda: about the variance of one label's gain
	// over that of a text's true gain. It was chosen beforehand: between 30 and
	// 120 cross-validation cannot tell the difference.
	strength = 30
)

// Label is an ask whose gain is known: 1 when only the cloud's answer was
// good, -1 when only the device's was, 0 when there was nothing to choose.
type Label struct {
	Text   string
	Gain   float64 // -1 to 1
	Weight float64 // one over the chance that the label was taken; 0 counts as 1
}

// Model foretells gains. It does not change; any number of goroutines may
// read it.
type Model struct {
	weights   []float64
	intercept float64
	labels    int
}

// Fit learns from labels. It refuses fewer than
// [MinLabels] or more than [MaxLabels], and numbers out of bounds by the index
// of the label.
func Fit(labels []Label) (*Model, error) {
	if len(labels) < MinLabels || len(labels) > MaxLabels {
		return nil, fmt.Errorf("fit deferral: %d labels: it must be %d to %d", len(labels), MinLabels, MaxLabels)
	}
	p := problem{lambda: strength}
	total := 0.0
	for i, l := range labels {
		w, err := l.weight()
		if err != nil {
			return nil, fmt.Errorf("fit deferral: label %d: %w", i, err)
		}
		p.rows = append(p.rows, features(l.Text))
		p.y = append(p.y, l.Gain)
		p.weight = append(p.weight, w)
		total += w
	}
	for i := range p.weight {
		p.weight[i] *= float64(len(labels)) / total
	}
	w, b := p.solve()
	return &Model{weights: w, intercept: b, labels: len(labels)}, nil
}

// weight is how much the label counts, or why it cannot be used.
func (l Label) weight() (float64, error) {
	switch {
	case !(l.Gain >= -1 && l.Gain <= 1):
		return 0, fmt.Errorf("gain is %v: it must be -1 to 1", l.Gain)
	case l.Weight == 0:
		return 1, nil
	case !(l.Weight > 0 && l.Weight <= 1e6):
		return 0, fmt.Errorf("weight is %v: it must be above 0 and at most 1e6", l.Weight)
	}
	return l.Weight, nil
}

// Gain is what sending the text to the cloud is expected to gain, -1 to 1: the
// chance that only the cloud answers well less the chance that only the device
// does.
func (m *Model) Gain(text string) float64 {
	return math.Max(-1, math.Min(1, m.intercept+dot(features(text), m.weights)))
}

// Labels is how many labels the model was fitted from.
func (m *Model) Labels() int { return m.labels }
