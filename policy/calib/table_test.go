package calib_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearside/policy/calib"
)

// drawn are labels whose chance of being good is their score.
func drawn(r *rand.Rand, n int, task string) []calib.Label {
	var out []calib.Label
	for range n {
		s := r.Float64()
		l := calib.Label{Task: task, Score: s, Gain: math.NaN()}
		if r.Float64() < s {
			l.Good = 1
		}
		out = append(out, l)
	}
	return out
}

func fit(t testing.TB, labels []calib.Label) *calib.Table {
	t.Helper()
	table, err := calib.Fit(calib.Model{Name: "m", SHA256: strings.Repeat("ab", 32), Quant: "Q4_1"}, labels)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestGoodFindsTheTruth(t *testing.T) {
	table := fit(t, drawn(rand.New(rand.NewPCG(3, 4)), 20000, "chat"))
	for s := 0.05; s < 1; s += 0.05 {
		if p, n := table.Good("chat", s); math.Abs(p-s) > 0.05 || n != 20000 {
			t.Errorf("score %.2f: P(good) is %.3f of %d labels", s, p, n)
		}
	}
}

// TestGoodIsBetween: a class's chance lies between its own curve and the pooled
// one, and is nearer to its own the more labels there are.
func TestGoodIsBetween(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 10, 100, 1000} {
		labels := drawn(r, 4000, "chat")
		for range n {
			labels = append(labels, calib.Label{Task: "math", Score: 0.9, Gain: math.NaN()})
		}
		table := fit(t, labels)
		pooled, none := table.Good("nothing of this class", 0.9)
		p, got := table.Good("math", 0.9)
		if want := pooled * 100 / float64(n+100); none != 0 || got != n || math.Abs(p-want) > 1e-3 {
			t.Errorf("%d labels, none good: got %v of %d labels, want %v", n, p, got, want)
		}
	}
}

func TestGain(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 15))
	labels := drawn(r, 5000, "")
	for i, l := range labels {
		if i%3 > 0 { // the cloud is right in 9 of 10; a third of the gains is not known
			labels[i].Gain = -l.Good
			if r.Float64() < 0.9 {
				labels[i].Gain++
			}
		}
	}
	table := fit(t, labels)
	for s := 0.1; s < 0.95; s += 0.1 {
		if got, ok := table.Gain("", s); !ok || math.Abs(got-(0.9-s)) > 0.08 {
			t.Errorf("score %.1f: gain %.3f %v, want %.1f", s, got, ok, 0.9-s)
		}
	}
	if gain, ok := fit(t, drawn(r, 10, "")).Gain("", 1); ok {
		t.Errorf("a gain of %v that nobody knows", gain)
	}
}

// TestGoodIsSmooth: with few labels the chances are nearer to the truth than
// those of steps alone, and with many a truth of steps is found.
func TestGoodIsSmooth(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 17))
	ours, alone := 0.0, 0.0
	for range 100 {
		labels := drawn(r, 100, "")
		var points []calib.Point
		for _, l := range labels {
			points = append(points, calib.Point{X: l.Score, Y: l.Good, W: 1})
		}
		table, steps := fit(t, labels), calib.Isotonic(points)
		for s := 0.05; s < 1; s += 0.05 {
			p, _ := table.Good("", s)
			ours += math.Abs(p - s)
			alone += math.Abs(steps.At(s) - s)
		}
	}
	if ours > 0.9*alone {
		t.Errorf("off by %.1f, steps alone by %.1f", ours, alone)
	}
	var stepped []calib.Label
	for i := range 20000 {
		l := calib.Label{Score: float64(i%100) / 100, Gain: math.NaN()}
		if l.Score >= 0.5 {
			l.Good = 1
		}
		stepped = append(stepped, l)
	}
	for s, want := range map[float64]float64{0.1: 0, 0.45: 0, 0.5: 1, 0.9: 1} {
		if p, _ := fit(t, stepped).Good("", s); math.Abs(p-want) > 0.02 {
			t.Errorf("score %v: %.2f, want %v", s, p, want)
		}
	}
}

// TestWeights: a label of weight 3 says what three labels say.
func TestWeights(t *testing.T) {
	one := fit(t, []calib.Label{{Score: 0.5, Weight: 3}, {Score: 0.5, Good: 1}})
	three := fit(t, []calib.Label{{Score: 0.5}, {Score: 0.5}, {Score: 0.5}, {Score: 0.5, Good: 1}})
	a, _ := one.Good("", 0.5)
	if b, _ := three.Good("", 0.5); math.Abs(a-b) > 0.01 || math.Abs(a-0.25) > 0.01 {
		t.Errorf("got %v and %v, want 0.25", a, b)
	}
	if a, b := one.Bound(0.5), three.Bound(0.5); a >= b {
		t.Errorf("two labels bound %v, four %v", a, b)
	}
}

// TestThresholdKeepsItsPromise: among many tables of labels whose chance of
// being good is their score, a budget may be broken by one in ten. From a score
// of t on, the share (1-t)/2 is wrong.
func TestThresholdKeepsItsPromise(t *testing.T) {
	const tables = 500
	for _, c := range []struct {
		n     int
		alpha float64
		found int // tables that must find a threshold
	}{{50, 0.1, 0}, {285, 0.1, 50}, {285, 0.3, 450}, {2000, 0.2, 500}} {
		r := rand.New(rand.NewPCG(7, uint64(c.n)))
		broken, found := 0, 0
		for range tables {
			at, ok := fit(t, drawn(r, c.n, "")).Threshold("", c.alpha)
			if ok {
				found++
			}
			if ok && (1-at)/2 > c.alpha {
				broken++
			}
		}
		if broken > tables/10 || found < c.found {
			t.Errorf("%d labels, budget %v: %d of %d found, %d broken", c.n, c.alpha, found, tables, broken)
		}
	}
}

func TestThresholdOfAClass(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	labels := drawn(r, 3000, "chat")
	for range 500 {
		labels = append(labels, calib.Label{Task: "math", Score: r.Float64()})
	}
	labels = append(labels, calib.Label{Task: "few", Score: 0.5})
	table := fit(t, labels)
	if at, ok := table.Threshold("math", 0.2); ok {
		t.Errorf("a class that is never right keeps from %v", at)
	}
	chat, _ := table.Threshold("chat", 0.3)
	few, ok := table.Threshold("few", 0.3)
	if all, _ := table.Threshold("", 0.3); !ok || few != all || few <= chat {
		t.Errorf("a class of one label keeps from %v %v, all from %v, chat from %v", few, ok, all, chat)
	}
	for _, alpha := range []float64{-1, 0, 1, 2, math.NaN()} {
		if at, ok := table.Threshold("chat", alpha); ok {
			t.Errorf("budget %v: keeps from %v", alpha, at)
		}
	}
}

// TestBound: it is below the chance itself, and falls when labels are few.
func TestBound(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	many, few := fit(t, drawn(r, 2000, "")), fit(t, drawn(r, 8, ""))
	for s := 0.1; s < 1; s += 0.1 {
		if b := many.Bound(s); b >= s || b < s-0.2 {
			t.Errorf("score %.1f: bound %.3f of 2000 labels", s, b)
		}
	}
	if b := few.Bound(0.5); b > 0.5 {
		t.Errorf("bound %.3f of 8 labels", b)
	}
}

func TestPrior(t *testing.T) {
	labels := []calib.Label{{Task: "a", Good: 1}, {Task: "b"}}
	table := fit(t, labels)
	if p, n := table.Prior("a"); n != 1 || math.Abs(p-(0.5+0.5/101)) > 1e-12 {
		t.Errorf("got %v of %d", p, n)
	}
	if p, n := table.Prior("c"); n != 0 || p != 0.5 {
		t.Errorf("got %v of %d", p, n)
	}
	if got := table.Tasks(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("tasks are %v", got)
	}
}

func TestFitRefuses(t *testing.T) {
	for _, c := range []struct {
		label calib.Label
		want  string
	}{
		{calib.Label{Score: math.NaN()}, "score is NaN"},
		{calib.Label{Score: math.Inf(-1)}, "score is -Inf"},
		{calib.Label{Good: 1.5}, "good is 1.5"},
		{calib.Label{Good: math.NaN()}, "good is NaN"},
		{calib.Label{Gain: -2}, "gain is -2"},
		{calib.Label{Weight: -1}, "weight is -1"},
		{calib.Label{Weight: math.Inf(1)}, "weight is +Inf"},
		{calib.Label{Task: strings.Repeat("x", 200)}, "task has 200 bytes"},
	} {
		_, err := calib.Fit(calib.Model{}, []calib.Label{{}, c.label})
		if err == nil || !strings.Contains(err.Error(), "label 1: "+c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := calib.Fit(calib.Model{}, nil); err == nil {
		t.Error("no labels made a table")
	}
}

// TestTableIsBounded: many scores and many classes make no large table.
func TestTableIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	labels := drawn(r, 10000, "")
	for i := range labels {
		labels[i].Task = strings.Repeat("t", 1+i%100)
	}
	table := fit(t, labels)
	if got := len(table.Tasks()); got != calib.MaxTasks {
		t.Errorf("%d classes", got)
	}
}

func BenchmarkGood(b *testing.B) {
	table := fit(b, drawn(rand.New(rand.NewPCG(1, 1)), 5000, "chat"))
	b.ReportAllocs()
	for b.Loop() {
		table.Good("chat", 0.42)
	}
}

func BenchmarkFit(b *testing.B) {
	labels := drawn(rand.New(rand.NewPCG(1, 1)), 5000, "chat")
	for b.Loop() {
		fit(b, labels)
	}
}
