package gate_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"nearside/policy/gate"
)

// kitchen is data of three intents that differ by their words, and a few asks
// of other things.
func kitchen() []gate.Example {
	var out []gate.Example
	add := func(label, pattern string, things ...string) {
		for _, thing := range things {
			out = append(out, gate.Example{Text: fmt.Sprintf(pattern, thing), Label: label})
		}
	}
	rooms := []string{"kitchen", "hall", "bedroom", "cellar", "bath", "garage"}
	foods := []string{"bread", "soup", "a cake", "pasta", "rice", "two eggs"}
	times := []string{"ten minutes", "one hour", "half an hour", "six minutes", "thirty seconds", "two hours"}
	add("light_on", "turn on the light in the %s", rooms...)
	add("light_on", "%s lights on please", rooms...)
	add("recipe", "how do i make %s", foods...)
	add("recipe", "give me a recipe for %s", foods...)
	add("timer", "set a timer for %s", times...)
	add("timer", "wake me in %s", times...)
	add(gate.Outside, "what is the capital of %s", "france", "spain", "chile", "ghana")
	add(gate.Outside, "who wrote %s", "hamlet", "faust", "dracula", "emma")
	return out
}

func trained(t testing.TB) (*gate.Gate, *gate.Report) {
	t.Helper()
	g, r, err := gate.Train(kitchen(), gate.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return g, r
}

func TestClassify(t *testing.T) {
	g, _ := trained(t)
	for _, c := range []struct {
		text, intent string
		sure         bool
	}{
		{"turn on the light in the attic", "light_on", true},
		{"Turn on the LIGHTS, please!", "light_on", true},
		{"how do I make pizza?", "recipe", true},
		{"set a timer for 5 minutes", "timer", true},
		{"who painted the mona lisa", "", false},
		{"xyzzy plugh", "", false},
	} {
		v := g.Classify(c.text)
		if c.sure && (v.Intent != c.intent || v.Confidence < 0.6) || !c.sure && v.Confidence > 0.5 {
			t.Errorf("%q: %+v, want %+v", c.text, v, c)
		}
		if v.Second == v.Intent {
			t.Errorf("%q: the second likeliest is the first: %+v", c.text, v)
		}
	}
}

func TestTrainIsRepeatable(t *testing.T) {
	one, _ := trained(t)
	two, _ := trained(t)
	a, b := encoded(t, one), encoded(t, two)
	if !bytes.Equal(a, b) {
		t.Error("the same examples and seed gave two gates")
	}
}

func TestReport(t *testing.T) {
	examples := kitchen()
	var steps []int
	_, r, err := gate.Train(examples, gate.Options{Progress: func(done, of int) error { steps = append(steps, of-done); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Intents != 3 || r.Examples != 36 || r.Outside != 8 || r.LeftOut != 36 {
		t.Errorf("counted %+v", r)
	}
	if r.Accuracy < 0.9 || r.AUROC < 0.8 {
		t.Errorf("accuracy %.3f, auroc %.3f", r.Accuracy, r.AUROC)
	}
	if len(steps) == 0 || steps[len(steps)-1] != 0 {
		t.Errorf("progress ended with %v to do", steps)
	}
	for i, p := range r.Curve[1:] {
		if q := r.Curve[i]; p.Accepted > q.Accepted || p.Outside > q.Outside || p.Right > p.Accepted {
			t.Errorf("the curve rises from %+v to %+v", q, p)
		}
	}
}

func TestTrainEndsWhenTold(t *testing.T) {
	enough := errors.New("enough")
	for _, last := range []int{1, 7, 10} { // among folds, intents left out, the whole
		steps := 0
		g, _, err := gate.Train(kitchen(), gate.Options{Progress: func(done, _ int) error {
			if steps++; done == last {
				return enough
			}
			return nil
		}})
		if !errors.Is(err, enough) || g != nil || steps != last {
			t.Errorf("told at part %d: %v after %d", last, err, steps)
		}
	}
}

func TestReportNamesConfusedPairs(t *testing.T) {
	examples := kitchen()
	for i := range 10 { // one intent under two names
		name := []string{"bell_on", "bell_start"}[i%2]
		examples = append(examples, gate.Example{Text: fmt.Sprintf("ring the bell %d times", i), Label: name})
	}
	_, r, err := gate.Train(examples, gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Confused) == 0 || !strings.HasPrefix(r.Confused[0].Intent, "bell") || !strings.HasPrefix(r.Confused[0].Taken, "bell") {
		t.Errorf("confused pairs: %+v", r.Confused)
	}
}

func TestTrainRefuses(t *testing.T) {
	many := make([]gate.Example, 0, 2002)
	for i := range 2002 {
		many = append(many, gate.Example{Text: "a", Label: fmt.Sprint(i / 2)})
	}
	for _, c := range []struct {
		name, want string
		examples   []gate.Example
	}{
		{"nothing", "of 0 intents", nil},
		{"one intent", "of 1 intents", []gate.Example{{Text: "a", Label: "x"}, {Text: "b", Label: "x"}}},
		{"one and outside", "of 1 intents", []gate.Example{{Text: "a", Label: "x"}, {Text: "b", Label: gate.Outside}}},
		{"a single example", `intent "y" has one example`, []gate.Example{{Text: "a", Label: "x"}, {Text: "b", Label: "x"}, {Text: "c", Label: "y"}}},
		{"too many", "of 1001 intents", many},
	} {
		_, _, err := gate.Train(c.examples, gate.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTrainOnLittle(t *testing.T) {
	g, _, err := gate.Train([]gate.Example{{Text: "left", Label: "l"}, {Text: "go left", Label: "l"}, {Text: "right", Label: "r"}, {Text: "go right", Label: "r"}}, gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"left", "right", "", strings.Repeat("right ", 1000)} {
		if v := g.Classify(text); math.IsNaN(v.Confidence) || v.Confidence < 0 || v.Confidence > 1 {
			t.Errorf("%.10q: %+v", text, v)
		}
	}
	if v := g.Classify("turn left"); v.Intent != "l" {
		t.Errorf("turn left: %+v", v)
	}
}

func encoded(t testing.TB, g *gate.Gate) []byte {
	t.Helper()
	file, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func FuzzClassify(f *testing.F) {
	g, _ := trained(f)
	for _, text := range []string{"", "turn on the light", "\xff\xfe", strings.Repeat("'", 600), "İstanbul ışık", "日本語", strings.Repeat("ab ", 400)} {
		f.Add(text)
	}
	known := map[string]bool{}
	for _, name := range g.Intents() {
		known[name] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := g.Classify(text)
		if !known[v.Intent] || !known[v.Second] || !(v.Confidence >= 0 && v.Confidence <= 1) {
			t.Errorf("%q: %+v", text, v)
		}
		if again := g.Classify(text); again != v {
			t.Errorf("%q: %+v, then %+v", text, v, again)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	g, _ := trained(b)
	b.ReportAllocs()
	for b.Loop() {
		g.Classify("turn on the light in the living room please")
	}
}

// TestMemory: a gate keeps to the memory it may take, and what it leaves out is
// what says least.
func TestMemory(t *testing.T) {
	whole, _ := trained(t)
	const most = 230_000
	small, _, err := gate.Train(kitchen(), gate.Options{Seed: 7, Memory: most})
	if err != nil {
		t.Fatal(err)
	}
	if whole.Bytes() <= most || small.Bytes() > most || small.Bytes() < most-100 {
		t.Errorf("%d bytes, of %d there may be %d", small.Bytes(), whole.Bytes(), most)
	}
	right := 0
	for _, e := range kitchen() {
		if e.Label != gate.Outside && small.Classify(e.Text).Intent == e.Label {
			right++
		}
	}
	if right < 34 {
		t.Errorf("%d of 36 are right", right)
	}
	if _, _, err := gate.Train(kitchen(), gate.Options{Memory: 1000}); err == nil || !strings.Contains(err.Error(), "a gate of 3 intents takes more than 1000 bytes") {
		t.Errorf("got %v", err)
	}
}
