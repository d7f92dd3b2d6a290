package deferral_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"nearside/policy/deferral"
)

// TestSketch: labels that were kept as sketches teach the same as their texts.
func TestSketch(t *testing.T) {
	labels := labelled(rand.New(rand.NewPCG(23, 24)), 20)
	kept := append([]deferral.Label(nil), labels...)
	for i, l := range labels {
		kept[i].Text, kept[i].Sketch = "", deferral.SketchOf(l.Text)
	}
	if a, b := fit(t, labels).Gain(question), fit(t, kept).Gain(question); a != b {
		t.Errorf("texts say %v, sketches %v", a, b)
	}
	long := deferral.SketchOf(strings.Repeat("all words of this text are there over and over ", 100000) + varied(9000))
	if len(long) > deferral.MaxSketch {
		t.Errorf("the sketch of a long text has %d bytes", len(long))
	}
	if got := len(deferral.SketchOf(varied(9000))); got > deferral.MaxSketch {
		t.Errorf("the sketch of many words has %d bytes", got)
	}
}

// varied is a text of n different short words.
func varied(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(string([]rune{rune(0x4e00 + i), ' '}))
	}
	return b.String()
}

// FuzzSketch: any bytes are refused as a sketch or can be learned from.
func FuzzSketch(f *testing.F) {
	f.Add([]byte(deferral.SketchOf(question)))
	f.Add([]byte{})
	f.Add(make([]byte, 25))
	labels := labelled(rand.New(rand.NewPCG(25, 26)), 10)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := deferral.Fit(append([]deferral.Label{{Sketch: text, Gain: 1}}, labels...))
		if err != nil {
			return
		}
		if g := m.Gain(question); !(g >= -1 && g <= 1) {
			t.Errorf("gain %v", g)
		}
	})
}
