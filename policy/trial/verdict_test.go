package trial_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nearside/policy/trial"
)

// kind of asks: what comes of one, and how long it takes.
type kind func(r *rand.Rand) trial.Outcome

// usual is a device as many are: small models whose times vary, a third of the
// asks in the cloud, a few errors, a few poor answers.
func usual(r *rand.Rand) trial.Outcome {
	o := trial.Outcome{Local: true, MS: 800 * math.Exp(0.5*r.NormFloat64()), Failed: r.Float64() < 0.05, Poor: r.Float64() < 0.08}
	if r.Float64() < 0.3 {
		o.Local, o.CostUSD = false, 0.0004*math.Exp(0.7*r.NormFloat64())
	}
	return o
}

func with(base kind, change func(*rand.Rand, *trial.Outcome)) kind {
	return func(r *rand.Rand) trial.Outcome {
		o := base(r)
		change(r, &o)
		return o
	}
}

// live asks once in gap until a verdict is reached, and says when; asks that
// take long are underway for so long.
func live(r *rand.Rand, before trial.Figures, k kind, gap time.Duration) (trial.Judgement, time.Duration) {
	now := before // totals of the process go on
	w := trial.NewWatch(trial.Probation{Usual: before}, now)
	type underway struct {
		ends time.Duration
		o    trial.Outcome
	}
	var all []underway
	for at := time.Duration(0); at < time.Hour; at += time.Second {
		if at%gap == 0 {
			o := k(r)
			now.Begun++
			all = append(all, underway{at + time.Duration(o.MS*float64(time.Millisecond)), o})
		}
		still := all[:0]
		for _, u := range all {
			if u.ends <= at {
				now.Add(u.o)
			} else {
				still = append(still, u)
			}
		}
		all = still
		if j := w.Look(at, now); j.Decision != trial.Wait {
			return j, at
		}
	}
	return trial.Judgement{}, time.Hour
}

func figures(r *rand.Rand, k kind, n int) (f trial.Figures) {
	for range n {
		f.Begun++
		f.Add(k(r))
	}
	return f
}

// idle is a device on which everything is free and quick.
func idle(r *rand.Rand) trial.Outcome { return trial.Outcome{Local: true, MS: 20 + 10*r.Float64()} }

func TestHarm(t *testing.T) {
	harms := []struct {
		name, says string
		change     func(*rand.Rand, *trial.Outcome)
	}{
		{"everything is denied", "refusals", func(_ *rand.Rand, o *trial.Outcome) { *o = trial.Outcome{Refused: true} }},
		{"half is denied", "refusals", func(r *rand.Rand, o *trial.Outcome) {
			if r.Float64() < 0.5 {
				*o = trial.Outcome{Refused: true}
			}
		}},
		{"a target that cannot be reached", "errors", func(_ *rand.Rand, o *trial.Outcome) { o.Failed, o.MS = true, 5 }},
		{"a target that hangs for a minute", "slower", func(_ *rand.Rand, o *trial.Outcome) { o.Failed, o.MS = true, 60_000 }},
		{"a target that hangs, callers that leave", "given up", func(_ *rand.Rand, o *trial.Outcome) { o.Gone, o.MS = true, 2_000 }},
		{"100 times the cost", "dearer", func(_ *rand.Rand, o *trial.Outcome) { o.CostUSD = 100 * max(o.CostUSD, 0.0004) }},
		{"slow answers", "slower", func(_ *rand.Rand, o *trial.Outcome) { o.MS = 10*o.MS + 4000 }},
		{"poor local answers", "poor", func(_ *rand.Rand, o *trial.Outcome) { o.Local, o.Poor, o.CostUSD = true, true, 0 }},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, h := range harms {
		for name, before := range map[string]trial.Figures{"a time before": figures(r, usual, 300), "quick before": figures(r, idle, 60), "nothing before": {}} {
			if name == "nothing before" && (h.says == "slower" && h.name == "slow answers" || h.name == "half is denied") {
				continue // 12 s an answer, half denied: nobody knows that this is not usual
			}
			base := kind(usual)
			if name == "quick before" {
				base = idle
			}
			for range 50 {
				j, after := live(r, before, with(base, h.change), time.Second)
				if j.Decision != trial.RollBack || after > 55*time.Second || !strings.Contains(strings.Join(j.Evidence, "\n"), h.says) {
					t.Fatalf("%s, %s: %v after %v: %q", h.name, name, j.Decision, after, j.Evidence)
				}
			}
		}
	}
}

func TestNoise(t *testing.T) {
	noises := map[string]func(*rand.Rand, *trial.Outcome){
		"as before":                func(*rand.Rand, *trial.Outcome) {},
		"half as slow again":       func(_ *rand.Rand, o *trial.Outcome) { o.MS *= 1.5 },
		"times that vary by three": func(r *rand.Rand, o *trial.Outcome) { o.MS = 460 * (1 + 2*r.Float64()) },
		"more errors by a few":     func(r *rand.Rand, o *trial.Outcome) { o.Failed = o.Failed || r.Float64() < 0.03 },
		"all of it in the cloud":   func(r *rand.Rand, o *trial.Outcome) { o.CostUSD = 0.0004 * math.Exp(0.7*r.NormFloat64()) },
	}
	r := rand.New(rand.NewPCG(3, 4))
	for name, change := range noises {
		rolled, worst := 0, time.Duration(0)
		const lives = 500
		for range lives {
			j, after := live(r, figures(r, usual, 200), with(usual, change), time.Second)
			worst = max(worst, after)
			if j.Decision != trial.Confirm {
				rolled++
			}
		}
		t.Logf("%s: %d of %d rolled back, decided after %v at most", name, rolled, lives, worst)
		if rolled > lives/100 || worst > 55*time.Second {
			t.Errorf("%s: %d of %d rolled back, the last after %v", name, rolled, lives, worst)
		}
	}
}

func TestFewAsksWait(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	j, after := live(r, figures(r, usual, 200), usual, 20*time.Second)
	if j.Decision != trial.Confirm || after < 9*time.Minute {
		t.Errorf("3 asks a minute: %v after %v, want confirmed after 30 asks", j.Decision, after)
	}
	if j := trial.Verdict(trial.Figures{}, trial.Figures{}, 0, time.Hour); j.Decision != trial.Wait || len(j.Evidence) != 1 {
		t.Errorf("no asks: %v %q", j.Decision, j.Evidence)
	}
	nine := figures(r, func(*rand.Rand) trial.Outcome { return trial.Outcome{Failed: true} }, 9)
	if j := trial.Verdict(trial.Figures{}, nine, 0, time.Hour); j.Decision != trial.Wait {
		t.Errorf("9 failed asks: %v %q", j.Decision, j.Evidence)
	}
}

// TestAlwaysBad: a device on which everything failed before is no worse off.
func TestAlwaysBad(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	bad := func(*rand.Rand) trial.Outcome { return trial.Outcome{Failed: true, MS: 20_000} }
	if j, _ := live(r, figures(r, bad, 100), bad, time.Second); j.Decision != trial.Confirm {
		t.Errorf("%v %q", j.Decision, j.Evidence)
	}
}

func TestWatchGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	p := trial.Probation{Usual: figures(r, usual, 100), Sofar: figures(r, usual, 29), Watched: time.Minute}
	now := trial.Figures{} // a new process
	w := trial.NewWatch(p, now)
	if j := w.Look(time.Second, now); j.Decision != trial.Wait {
		t.Errorf("29 asks in all lives: %v", j.Decision)
	}
	now.Begun++
	now.Add(trial.Outcome{MS: 500, Local: true})
	if j := w.Look(2*time.Second, now); j.Decision != trial.Confirm {
		t.Errorf("30 asks in all lives: %v %q", j.Decision, j.Evidence)
	}
}

func TestHistogram(t *testing.T) {
	var h trial.Histogram
	for v := 1; v <= 1000; v++ {
		h.Add(float64(v))
	}
	for _, c := range []struct{ q, low, high float64 }{{0.5, 480, 520}, {0.95, 900, 1030}, {0, 0, 1}} {
		if got := h.Quantile(c.q); got < c.low || got > c.high {
			t.Errorf("quantile %v = %v, want %v to %v", c.q, got, c.low, c.high)
		}
	}
	if got := h.Over(600); math.Abs(got-400) > 25 {
		t.Errorf("over 600: %v, want about 400", got)
	}
	h = trial.Histogram{}
	for _, v := range []float64{-1, 0, 1e300, math.Inf(1)} {
		h.Add(v)
	}
	if h.N() != 4 || h.Over(1e6) < 1.5 {
		t.Errorf("the far ends: n %v, over 1e6 %v", h.N(), h.Over(1e6))
	}
}

func TestFiguresDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	a := figures(r, usual, 50)
	b := a
	b.Add(trial.Outcome{Refused: true})
	b.Add(trial.Outcome{Gone: true, MS: 10})
	b.Add(trial.Outcome{Local: true, MS: 30, CostUSD: 1})
	d := b.Since(a)
	if d.Asks != 2 || d.Refusals != 1 || d.Gone != 1 || d.Times.N() != 2 || math.Abs(d.CostUSD-1) > 1e-9 || d.LocalShare() != 0.5 {
		t.Errorf("%+v", d)
	}
	if a.Plus(d).Times != b.Times {
		t.Error("what differs and what was are not what is")
	}
	if f := (trial.Figures{}).Since(a); f.Asks != 0 || f.Times.N() != 0 {
		t.Errorf("figures that began again: %+v", f)
	}
}

func BenchmarkLook(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	before := figures(r, usual, 300)
	w := trial.NewWatch(trial.Probation{Usual: before}, before)
	now := before
	at := time.Duration(0)
	for b.Loop() {
		at += time.Second
		now.Begun++
		now.Asks++
		w.Look(at, now)
	}
}

// TestKept: a document that keeps asks from the cloud is not taken back because
// their answers got poorer, slower or fewer. That they fail or hang is harm all
// the same, and so is what becomes of the other asks.
func TestKept(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	kept := func(change func(*trial.Outcome)) kind {
		return with(usual, func(_ *rand.Rand, o *trial.Outcome) {
			o.Local, o.CostUSD, o.Kept = true, 0, true
			change(o)
		})
	}
	for _, tt := range []struct {
		name string
		kind kind
		want trial.Decision
	}{
		{"poor", kept(func(o *trial.Outcome) { o.Poor = true }), trial.Confirm},
		{"refused", kept(func(o *trial.Outcome) { o.Refused, o.Local, o.Failed = true, false, false }), trial.Confirm},
		{"slow", kept(func(o *trial.Outcome) { o.MS = 5*o.MS + 2000 }), trial.Confirm},
		{"failed", kept(func(o *trial.Outcome) { o.Failed = true }), trial.RollBack},
		{"hanging", kept(func(o *trial.Outcome) { o.MS = 300_000 }), trial.RollBack},
		{"half of them, and the others poor", with(usual, func(r *rand.Rand, o *trial.Outcome) {
			if o.Kept = r.Float64() < 0.5; !o.Kept {
				o.Poor = true
			}
		}), trial.RollBack},
	} {
		for range 50 {
			if j, after := live(r, figures(r, usual, 300), tt.kind, time.Second); j.Decision != tt.want || after > time.Minute {
				t.Fatalf("%s: %v after %v: %q", tt.name, j.Decision, after, j.Evidence)
			}
		}
	}
	// And the way back: what was kept says nothing of what was usual.
	before := figures(r, kept(func(o *trial.Outcome) { o.Poor, o.Failed = true, false }), 300)
	third := with(usual, func(r *rand.Rand, o *trial.Outcome) { o.Poor, o.Failed = r.Float64() < 0.35, false })
	for range 50 {
		if j, _ := live(r, before, third, time.Second); j.Decision != trial.Confirm {
			t.Fatalf("back to the cloud: %v: %q", j.Decision, j.Evidence)
		}
	}
}
