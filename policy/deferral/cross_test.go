package deferral_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"nearside/policy/deferral"
)

// TestCross: what can be learned proves itself, noise does not, and neither
// does one question that is asked over and over.
func TestCross(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	noise := labelled(r, 60)
	for i := range noise {
		noise[i].Gain = float64(r.IntN(3) - 1)
	}
	level := labelled(r, 60)
	for i := range level {
		level[i].Gain = 0.9
	}
	var often []deferral.Label
	for i := range 400 {
		text := fmt.Sprintf("word%c of many", 'a'+rune(i%26))
		often = append(often, deferral.Label{Text: text, Gain: float64(i % 26 / 25)})
	}
	for _, c := range []struct {
		name        string
		labels      []deferral.Label
		better      bool
		least, most float64
	}{
		{"topics", labelled(r, 60), true, 0.6, 1},
		{"noise", noise, false, -0.5, 0.1},
		{"one gain", level, false, 0, 0},
		{"few questions, often", often, false, -1, 0.1},
	} {
		m, err := deferral.Cross(c.labels)
		if err != nil || m.Better() != c.better || !(m.Explained >= c.least && m.Explained <= c.most) || !(m.Error >= 0) {
			t.Errorf("%s: got %+v, better %t, %v", c.name, m, m.Better(), err)
		}
		if again, _ := deferral.Cross(c.labels); again.Explained != m.Explained {
			t.Errorf("%s: %v, and %v when asked again", c.name, m, again)
		}
	}
}

// TestChanceIsRarelyProof: of many sets of labels in which texts say nothing,
// few are taken as proof. More than two standard errors are luck once in 44
// sets: of 16, more than one is lucky with a chance of 1 in 20, and the seed is
// of the others.
func TestChanceIsRarelyProof(t *testing.T) {
	r, lucky := rand.New(rand.NewPCG(33, 34)), 0
	const sets = 16
	for range sets {
		labels := labelled(r, 34)
		for i := range labels {
			labels[i].Gain = float64(r.IntN(2))
			labels[i].Weight = 0.5
			if r.IntN(10) == 0 {
				labels[i].Weight = 5
			}
		}
		if m, err := deferral.Cross(labels); err != nil || m.Better() {
			lucky++
		}
	}
	if lucky > 1 {
		t.Errorf("%d of %d sets of noise were taken as proof", lucky, sets)
	}
}

func TestCrossRefuses(t *testing.T) {
	same := make([]deferral.Label, 300)
	for i := range same {
		same[i] = deferral.Label{Text: "the same", Gain: 1}
	}
	for _, c := range []struct {
		labels []deferral.Label
		want   string
	}{
		{same, "0 labels"},
		{nil, "0 labels"},
		{append(labelled(rand.New(rand.NewPCG(7, 8)), 10), deferral.Label{Gain: 2}), "label 60: gain is 2"},
	} {
		if _, err := deferral.Cross(c.labels); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
