package deferral_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearside/policy/deferral"
)

// topics are asks of which the cloud answers some better, one alone worse.
func topics() map[string]float64 {
	return map[string]float64{
		"What is the derivative of %d x squared at x = %d?":          1,
		"Prove that a group of order %d is solvable, unlike %d":      1,
		"Name a colour of the flag number %d in album %d":            0,
		"Which word rhymes with the name of street %d in town %d?":   0,
		"Turn on light %d in room %d now, please":                    -1,
		"Set the heating of zone %d to %d degrees when I am at home": -1,
	}
}

func labelled(r *rand.Rand, n int) []deferral.Label {
	var out []deferral.Label
	all := topics()
	forms := slices.Sorted(maps.Keys(all)) // in order: the same seed makes the same labels
	for range n {
		for _, form := range forms {
			out = append(out, deferral.Label{Text: fmt.Sprintf(form, r.IntN(900), r.IntN(90)), Gain: all[form]})
		}
	}
	return out
}

func fit(t testing.TB, labels []deferral.Label) *deferral.Model {
	t.Helper()
	m, err := deferral.Fit(labels)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGainIsLearned(t *testing.T) {
	m := fit(t, labelled(rand.New(rand.NewPCG(1, 2)), 100))
	for form, want := range topics() {
		text := fmt.Sprintf(form, 977, 99)
		if got := m.Gain(text); math.Abs(got-want) > 0.4 {
			t.Errorf("%s: gain %.2f, want %v", text, got, want)
		}
	}
}

// TestFitIsShrunk: what there is no pattern in is foretold as the mean.
func TestFitIsShrunk(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	labels := labelled(r, 50)
	for i := range labels {
		labels[i].Gain = float64(r.IntN(3) - 1)
	}
	m := fit(t, labels)
	for form := range topics() {
		if got := m.Gain(fmt.Sprintf(form, 1, 2)); math.Abs(got) > 0.3 {
			t.Errorf("%s: gain %.2f of noise", form, got)
		}
	}
}

// TestWeights: a label of weight 3 says what three labels say.
func TestWeights(t *testing.T) {
	labels := labelled(rand.New(rand.NewPCG(5, 6)), 10)
	heavy, thrice := labels, labels
	for i, l := range labels {
		if i%7 == 0 {
			thrice = append(thrice, l, l)
		}
	}
	heavy = append([]deferral.Label(nil), labels...)
	for i := range heavy {
		heavy[i].Weight = 0.5
		if i%7 == 0 {
			heavy[i].Weight = 1.5
		}
	}
	text := "What is the derivative of the heating in town 7?"
	a, b := fit(t, heavy).Gain(text), fit(t, thrice).Gain(text)
	if math.Abs(a-b) > 0.1 {
		t.Errorf("got %v and %v", a, b)
	}
}

func TestFitRefuses(t *testing.T) {
	good := labelled(rand.New(rand.NewPCG(7, 8)), 10)
	bad := func(l deferral.Label) []deferral.Label { return append([]deferral.Label{l}, good...) }
	for _, c := range []struct {
		labels []deferral.Label
		want   string
	}{
		{nil, "0 labels: it must be 20 to 1500"},
		{labelled(rand.New(rand.NewPCG(7, 8)), 300), "1800 labels: it must be 20 to 1500"},
		{bad(deferral.Label{Gain: 2}), "label 0: gain is 2"},
		{bad(deferral.Label{Gain: math.NaN()}), "label 0: gain is NaN"},
		{bad(deferral.Label{Weight: -1}), "label 0: weight is -1"},
		{bad(deferral.Label{Weight: math.NaN()}), "label 0: weight is NaN"},
		{bad(deferral.Label{Sketch: []byte{1, 2}}), "label 0: sketch has 2 bytes"},
		{bad(deferral.Label{Sketch: append(make([]byte, 20), 9, 0)}), "label 0: sketch is cut"},
		{bad(deferral.Label{Sketch: append(make([]byte, 20), 1, 0, 7, 7, 0)}), "label 0: sketch has a bucket with count 0"},
	} {
		if _, err := deferral.Fit(c.labels); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func FuzzGain(f *testing.F) {
	m := fit(f, labelled(rand.New(rand.NewPCG(9, 10)), 20))
	f.Add("Which is it?\nA. one\nB. two\nb) none of these\nAnswer:")
	f.Add("\xff\xfe\x00A.\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if g := m.Gain(text); !(g >= -1 && g <= 1) || g != m.Gain(text) {
			t.Errorf("gain %v", g)
		}
	})
}

// question has the length of a usual ask.
const question = "A man walks 3 km north, then 4 km east, and wants to know how far he is from where he began.\nA. 5 km\nB. 6 km\nC. 7 km\nD. none of these\nAnswer:"

func BenchmarkGain(b *testing.B) {
	m := fit(b, labelled(rand.New(rand.NewPCG(11, 12)), 100))
	b.ReportAllocs()
	for b.Loop() {
		m.Gain(question)
	}
}

func BenchmarkFit(b *testing.B) {
	labels := labelled(rand.New(rand.NewPCG(13, 14)), 250)
	for b.Loop() {
		fit(b, labels)
	}
}

// TestDigest: the same labels give the same model, and one label more another.
func TestDigest(t *testing.T) {
	labels := labelled(rand.New(rand.NewPCG(21, 22)), 20)
	first := fit(t, labels).Digest()
	if again := fit(t, labels).Digest(); again != first {
		t.Errorf("got %x and %x of the same labels", first, again)
	}
	if other := fit(t, labels[1:]).Digest(); other == first {
		t.Errorf("got %x without one of the labels too", other)
	}
}
