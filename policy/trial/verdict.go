package trial

import (
	"fmt"
	"math"
	"time"
)

// When a trial is judged.
const (
	Clear  = 10               // asks from which on harm without a doubt counts
	Enough = 30               // asks from which on a document may be confirmed
	Final  = 45               // asks after which it is decided either way
	Least  = 30 * time.Second // no document is confirmed sooner
	Latest = 50 * time.Second // after which Enough asks decide either way
)

// Decision is what a verdict says.
type Decision int

// Decisions.
const (
	Wait Decision = iota
	Confirm
	RollBack
)

func (d Decision) String() string { return [...]string{"wait", "confirm", "roll back"}[d] }

// Judgement is a decision with what it rests on, in lines for people. A
// rollback has the harms found, a confirmation what was looked at, a wait what
// is missing.
type Judgement struct {
	Decision Decision
	Evidence []string
}

// Verdict judges a document by what came of asks since it is in force, against
// the time before. Late is how many asks have waited for longer than
// [slowMS], and wait still.
func Verdict(before, since Figures, late int64, elapsed time.Duration) Judgement {
	v := survey(harms(before, since, late))
	switch {
	case v.clear, len(v.beyond) > 0 && (v.n >= Final || v.n >= Enough && elapsed >= Latest):
		return Judgement{RollBack, v.beyond}
	case since.Asks < Enough || elapsed < Least:
		return Judgement{Wait, []string{fmt.Sprintf("%d asks in %v: at least %d in %v are needed", since.Asks, elapsed.Round(time.Second), Enough, Least)}}
	case len(v.beyond) == 0:
		return Judgement{Confirm, v.looked}
	}
	return Judgement{Wait, v.beyond}
}

// view is what all harms together say.
type view struct {
	beyond, looked []string
	clear          bool    // one is beyond its limit without a doubt
	n              float64 // the most asks that one was found in
}

func survey(all []harm) (v view) {
	for _, h := range all {
		v.n = max(v.n, h.n)
		v.looked = append(v.looked, h.String())
		if h.n == 0 || h.k/h.n <= h.limit {
			continue
		}
		v.beyond = append(v.beyond, h.String())
		v.clear = v.clear || h.n >= Clear && wilson(h.k, h.n, -sure) > h.limit
	}
	return v
}

// harm is the share of asks that fared badly in one way, and its limit.
type harm struct {
	name        string
	k, n        float64
	usual, base float64 // of how many asks before
	limit       float64
}

func (h harm) String() string {
	s := fmt.Sprintf("%s: %.0f of %.0f asks; limit %.0f %%", h.name, h.k, h.n, 100*h.limit)
	if h.base < Clear {
		return s + ", too few asks before to compare with"
	}
	return fmt.Sprintf("%s, before %.0f of %.0f", s, h.usual, h.base)
}

// harms is the table of limits; doc.go says it in words.
func harms(before, since Figures, late int64) []harm {
	asks, base := float64(since.Asks), float64(before.Asks)
	slow, dear := slowMS(before), dearUSD(before)
	free, freely := asks-float64(since.Kept), base-float64(before.Kept)
	tried, usually := since.Times.N()+float64(since.Kept+late), before.Times.N()
	f := func(name string, k, n, usual, base float64, limit [2]float64) harm {
		h := harm{name: name, k: math.Round(k), n: n, usual: usual, base: base, limit: limit[1]}
		if h.base >= Clear {
			h.limit = wilson(usual, base, 1) + limit[0]
		}
		return h
	}
	return []harm{
		f("errors", float64(since.Errors), asks, float64(before.Errors), base, [2]float64{0.15, 0.5}),
		f("refusals", float64(since.Refusals), free, float64(before.Refusals), freely, [2]float64{0.15, 0.5}),
		f("poor", float64(since.Poor), free, float64(before.Poor), freely, [2]float64{0.2, 0.6}),
		f("given up", float64(since.Gone), asks+float64(since.Gone), float64(before.Gone), base+float64(before.Gone), [2]float64{0.3, 0.6}),
		f(fmt.Sprintf("slower than %.1f s", slow/1000), since.Times.Over(slow/TimeUnit)+float64(late), tried, before.Times.Over(slow/TimeUnit), usually, [2]float64{0.3, 0.5}),
		f(fmt.Sprintf("dearer than %.3g USD", dear), since.Costs.Over(dear/CostUnit), since.Costs.N(), before.Costs.Over(dear/CostUnit), before.Costs.N(), [2]float64{0.1, 0.5}),
	}
}

// slowMS is how long, in milliseconds, an ask may take before it counts as
// slow: three times the median before, half a second more at least. It is 30 s
// where that is not known, and never above unless half of the asks before took
// 15 s.
func slowMS(before Figures) float64 {
	const most = 30_000
	if before.Times.N() < Clear {
		return most
	}
	usual := before.MS(0.5)
	return max(2*usual, min(max(3*usual, usual+500), most))
}

// dearUSD is what an ask may cost before it counts as dear.
func dearUSD(before Figures) float64 {
	n := before.Costs.N()
	switch {
	case n < Clear:
		return 0.01
	case before.CostUSD <= 0:
		return 0.002
	}
	return max(20*before.CostUSD/n, 100*CostUnit)
}

// sure is how many standard deviations are hardly a doubt.
const sure = 3

// wilson is the bound of a share of k in n, z standard deviations above what
// was seen, or below (E. B. Wilson, 1927).
func wilson(k, n, z float64) float64 {
	p, zz := min(k/n, 1), z*z/n
	return (p + zz/2 + z*math.Sqrt(max(0, p*(1-p)/n+zz/(4*n)))) / (1 + zz)
}
