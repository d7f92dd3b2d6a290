package rolling_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai/rolling"
)

func TestFigures(t *testing.T) {
	var f rolling.Figures
	if s := f.Summary(); s != (rolling.Summary{}) {
		t.Errorf("nothing is known yet, got %+v", s)
	}
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			f.Begin()
			f.End(time.Duration(i%10+1)*time.Millisecond, i%4 == 0, true)
		})
	}
	calls.Wait()
	f.Begin()
	f.End(time.Hour, true, false) // the caller gave up
	f.Begin()
	s := f.Summary()
	if s.Calls != 102 || s.InFlight != 1 || *s.ErrorRate <= 0 || *s.ErrorRate >= 0.5 || *s.P50MS > 8 || *s.P95MS < *s.P50MS || *s.P95MS > 10 {
		t.Errorf("got %+v: %v errors, p50 %v, p95 %v", s, *s.ErrorRate, *s.P50MS, *s.P95MS)
	}
	for range 64 {
		f.End(time.Second, false, true)
	}
	if s := f.Summary(); *s.ErrorRate != 0 || *s.P50MS != 1000 {
		t.Errorf("only the latest calls count, got %v, %v", *s.ErrorRate, *s.P50MS)
	}
}

// TestFiguresRoll: only the latest 64 calls count, and a stream that broke takes
// the latest good ending, which then stays for 63 more.
func TestFiguresRoll(t *testing.T) {
	var f rolling.Figures
	calls := func(n int) {
		for i := range n {
			f.Begin()
			f.End(time.Duration(i)*time.Millisecond, false, true)
		}
	}
	is := func(when string, want float64) {
		t.Helper()
		if got := *f.Summary().ErrorRate; got != want/64 {
			t.Errorf("%s: error rate %v, want %v of 64", when, got, want)
		}
	}
	calls(100)
	if p50 := *f.Summary().P50MS; p50 != 36+32 {
		t.Errorf("p50 %v ms, want 68", p50)
	}
	f.Broke()
	f.Broke()
	is("two broke", 2)
	calls(62)
	is("62 later", 2)
	calls(1)
	is("63 later", 1)
	calls(1)
	is("64 later", 0)
}

// slow are figures as simple as can be.
type slow struct {
	ends []slowEnd
	took []time.Duration
}

type slowEnd struct {
	at     time.Time
	failed bool
}

func (s *slow) end(took time.Duration, failed bool) {
	s.ends = append(s.ends, slowEnd{time.Now(), failed})
	if !failed {
		s.took = append(s.took, took)
	}
}

// broke is the latest good ending failed, among those that figures remember.
func (s *slow) broke() {
	for i := len(s.ends) - 1; i >= max(0, len(s.ends)-64); i-- {
		if !s.ends[i].failed {
			s.ends[i].failed = true
			return
		}
	}
}

// figures are p50 and p95 in milliseconds and the error rate, -1 for what is not known.
func (s *slow) figures() [3]float64 {
	out := [3]float64{-1, -1, -1}
	if took := slices.Sorted(slices.Values(s.took[max(0, len(s.took)-64):])); len(took) > 0 {
		n := len(took)
		out[0], out[1] = float64(took[n/2].Milliseconds()), float64(took[min(n-1, n*95/100)].Milliseconds())
	}
	bad, all := 0, 0
	for _, e := range s.ends[max(0, len(s.ends)-64):] {
		if time.Since(e.at) <= 30*time.Second {
			all++
			if e.failed {
				bad++
			}
		}
	}
	if all > 0 {
		out[2] = float64(bad) / float64(all)
	}
	return out
}

// TestFiguresAge holds figures to simple ones while calls end, streams break and
// time passes; a summary stays as it was given.
func TestFiguresAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f rolling.Figures
		var simple slow
		chance := rand.New(rand.NewPCG(1, 2))
		num := func(p *float64) float64 {
			if p == nil {
				return -1
			}
			return *p
		}
		for i := range 20_000 {
			switch chance.IntN(8) {
			case 0:
				f.Broke()
				simple.broke()
			case 1:
				<-time.After([...]time.Duration{time.Millisecond, time.Second, time.Second, 5 * time.Second, 30 * time.Second, time.Minute}[chance.IntN(6)])
			default:
				took, failed := time.Duration(chance.IntN(50))*time.Millisecond, chance.IntN(5) == 0
				f.Begin()
				f.End(took, failed, true)
				simple.end(took, failed)
			}
			got := f.Summary()
			was := [3]float64{num(got.P50MS), num(got.P95MS), num(got.ErrorRate)}
			if want := simple.figures(); was != want {
				t.Fatalf("after %d: got %v, want %v", i, was, want)
			}
			f.Begin()
			f.End(time.Duration(chance.IntN(9))*time.Second, false, false)
			if again := f.Summary(); again.P50MS != got.P50MS {
				t.Fatalf("after %d: nothing changed, and the summary was made anew", i)
			}
		}
	})
}

// BenchmarkSummary is a call that ends and a look at the figures after it.
func BenchmarkSummary(b *testing.B) {
	var f rolling.Figures
	b.ReportAllocs()
	for b.Loop() {
		f.Begin()
		f.End(time.Millisecond, false, true)
		f.Summary()
	}
}
