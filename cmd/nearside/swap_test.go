package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/server/steering"
	"nearside/cmd/fakecloud/fake"
)

// large is a policy of so many bytes, most of them rules.
func large(size int) string {
	var rules strings.Builder
	for n := 0; rules.Len() < size-len(ordinary()); n++ {
		fmt.Fprintf(&rules, "\n  - {name: r%d, when: {field: disk_free_mb, lt: %d}, then: {prefer: [cloud]}}", n, n+1)
	}
	return ordinary("rules:", "rules:"+rules.String())
}

// BenchmarkSwapOnce brings one policy of 16 KiB in each second to a daemon that
// is asked once in a millisecond: the slowest answer of such a second, and of one
// without, in turn.
func BenchmarkSwapOnce(b *testing.B) {
	o, far := newOffice(b), newCloud(b, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	body, version := large(16<<10), int64(0)
	known := ask{text: "known"}.with("temperature", 0)
	h.ask(known)
	var with, without, took []time.Duration
	second := func(work func()) time.Duration {
		over := time.After(time.Second)
		each, worst := time.NewTicker(time.Millisecond), time.Duration(0)
		defer each.Stop()
		for n := 0; ; n++ {
			select {
			case <-over:
				return worst
			case <-each.C:
			}
			if n == 100 {
				go work()
			}
			start := time.Now()
			h.ask(known)
			worst = max(worst, time.Since(start))
		}
	}
	for b.Loop() {
		version++
		envelope, done := o.seal(version, body), make(chan time.Duration, 1)
		without = append(without, second(func() {}))
		with = append(with, second(func() { done <- h.bring(b, envelope) }))
		took = append(took, <-done)
	}
	for name, all := range map[string][]time.Duration{"worst_ms_with": with, "worst_ms_without": without, "ms/apply": took} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name)
	}
}

// bring brings an envelope, and tells how long that took.
func (h *house) bring(b *testing.B, envelope string) time.Duration {
	start := time.Now()
	resp, err := h.http.Post("http://localhost"+steering.ApplyPath, "application/json", strings.NewReader(envelope))
	if err != nil {
		b.Error(err)
		return 0
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Errorf("apply: %s", resp.Status)
	}
	return time.Since(start)
}

// BenchmarkSwap brings policies of 16 KiB to a daemon that is asked all the
// time: how long until one is in force, and the slowest answer, beside the
// slowest while none is brought.
func BenchmarkSwap(b *testing.B) {
	o, far := newOffice(b), newCloud(b, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	body, version := large(16<<10), int64(0)
	quiet := h.slowest(b, func() { <-time.After(time.Second) }) // as long as a few swaps
	var took time.Duration
	busy := h.slowest(b, func() {
		for b.Loop() {
			version++
			took += h.bring(b, o.seal(version, body))
		}
	})
	b.ReportMetric(float64(took.Microseconds())/1000/float64(version), "ms/apply")
	b.ReportMetric(ms99(busy), "p99_ms_while_applying")
	b.ReportMetric(ms99(quiet), "p99_ms_otherwise")
	b.ReportMetric(float64(busy[len(busy)-1].Microseconds())/1000, "worst_ms_while_applying")
	b.ReportMetric(float64(quiet[len(quiet)-1].Microseconds())/1000, "worst_ms_otherwise")
}

func ms99(sorted []time.Duration) float64 {
	return float64(sorted[len(sorted)*99/100].Microseconds()) / 1000
}

// slowest are the times of answers while work is done, the slowest last. What is
// asked is kept, so that no target has a part in it.
func (h *house) slowest(b *testing.B, work func()) []time.Duration {
	b.Helper()
	known := ask{text: "known"}.with("temperature", 0)
	h.ask(known)
	var over atomic.Bool
	done := make(chan []time.Duration)
	go func() {
		var all []time.Duration
		for !over.Load() {
			start := time.Now()
			h.ask(known)
			all = append(all, time.Since(start))
		}
		done <- all
	}()
	work()
	over.Store(true)
	all := <-done
	slices.Sort(all)
	return all
}
