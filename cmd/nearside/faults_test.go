package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent/config/written"
	"nearside/agent/openai/sse"
	"nearside/cmd/fakecloud/fake"
)

// TestFailover breaks the first of two clouds in each way there is before the
// first token: every ask is answered by the second.
func TestFailover(t *testing.T) {
	faults := map[string]fake.Fault{
		"503":      {Kind: fake.Status, Status: 503},
		"429":      {Kind: fake.Status, Status: 429, RetryAfterS: 60},
		"401":      {Kind: fake.Status, Status: 401},
		"refused":  {Kind: fake.Refused},
		"hang":     {Kind: fake.Hang},
		"cut_json": {Kind: fake.CutJSON},
		"html":     {Kind: fake.HTML},
		"empty":    {Kind: fake.Empty},
	}
	for name, fault := range faults {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", name, stream), func(t *testing.T) {
				t.Parallel()
				a := inCloud("").with("stream", stream).headed("x-nearside-deadline-ms", "6000")
				failOver(t, fault, a, 30)
			})
		}
	}
	t.Run("hang/default deadline", func(t *testing.T) {
		t.Parallel()
		failOver(t, fake.Fault{Kind: fake.Hang}, inCloud(""), 30)
	})
}

// failOver asks n times while the first cloud has the fault.
func failOver(t *testing.T, fault fake.Fault, a ask, n int) {
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	set(t, first, fault)
	waited, begun := 0, time.Now()
	for i := range n {
		a.text = fmt.Sprint("question ", i)
		r := h.ask(a)
		if r.status != http.StatusOK || r.target() != "cloud/second" || r.finish != "stop" || r.text == "" {
			t.Fatalf("ask %d: got %v, want an answer of cloud/second", i, r)
		}
		if r.took > 3*time.Second && r.header.Get("x-nearside-attempts") != "1" { // not for a busy machine
			waited++
		}
	}
	most := int64(5)
	if fault.Kind == fake.Hang {
		most = 1
	}
	most += int64(time.Since(begun) / (30 * time.Second)) // a busy machine has seen the next trials
	if got := h.target("cloud/first").Calls; got > most || got == 0 {
		t.Errorf("got %d calls to the first, want 1 to %d", got, most)
	}
	if fault.Kind == fake.Hang && (waited < 1 || int64(waited) > most) {
		t.Errorf("%d asks waited for the hang, want 1 to %d", waited, most)
	}
	if got := second.State().Calls[chatPath]; got != n {
		t.Errorf("got %d calls to the second, want %d", got, n)
	}
}

// TestFirstComesBack lifts a fault that names its own end.
func TestFirstComesBack(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	set(t, first, fake.Fault{Kind: fake.Status, Status: 429, RetryAfterS: 1, Count: 1})
	if r := h.ask(inCloud("first")); r.target() != "cloud/second" || r.header.Get("x-nearside-reason") != "forced_mode" {
		t.Errorf("while the first is limited: got %v, want cloud/second", r)
	}
	until(t, "the first answers again", patience, func() bool { return h.ask(inCloud("again")).target() == "cloud/first" })
}

// TestAllWantFewerCalls asks when both clouds have asked for fewer calls: the
// caller reads when to come back, and nobody is called.
func TestAllWantFewerCalls(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	set(t, first, fake.Fault{Kind: fake.Status, Status: 429, RetryAfterS: 600})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 429, RetryAfterS: 60})
	if r := h.ask(ask{text: "Where to?"}); r.status != 429 || r.header.Get("x-nearside-attempts") != "2" {
		t.Errorf("the first: %v", r)
	}
	r := h.ask(ask{text: "And now?"})
	wait, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > 60 || r.status != 429 || r.header.Get("x-nearside-reason") != "rate_limited" ||
		r.header.Get("x-nearside-attempts") != "0" || r.header.Get("x-should-retry") != "" {
		t.Errorf("later: %v, Retry-After %d, %v", r, wait, r.header)
	}
}

// TestAllDown asks when no cloud can answer: an error at once, not silence.
func TestAllDown(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	set(t, first, fake.Fault{Kind: fake.Refused})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 503})
	for _, stream := range []bool{false, true} {
		for range 8 {
			r := h.ask(inCloud("anyone?").with("stream", stream))
			if r.status != 502 && r.status != 503 || r.kind == "" || r.route() != "none" || r.header.Get("x-should-retry") != "false" {
				t.Fatalf("got %v, want an error that says no retry helps", r)
			}
		}
	}
}

// quick is the built-in policy with the least silence it allows in a stream and
// before it.
func quick(t *testing.T) string {
	t.Helper()
	_, _, text := written.DefaultPolicy()
	quicker := strings.NewReplacer("silence_ms: 30000", "silence_ms: 1000", "attempt_ms: 10000", "attempt_ms: 1000").Replace(text)
	if strings.Count(quicker, "_ms: 1000 ") != 2 {
		t.Fatal("the built-in policy states no silence_ms: 30000 or no attempt_ms: 10000")
	}
	return quicker
}

// TestNoSilentCut breaks 1,024 streams at every place: each ends whole, or
// with an error that says so.
func TestNoSilentCut(t *testing.T) {
	for _, kind := range []fake.Kind{fake.CutStream, fake.ErrorStream, fake.EndStream, fake.CutJSON} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			breakStreams(t, kind, 1, 15)
		})
	}
	t.Run(string(fake.HangStream), func(t *testing.T) { // each takes the silence of a second
		t.Parallel()
		breakStreams(t, fake.HangStream, 2, 8)
	})
}

// places is how many chunks the fake's answer has: role, 14 words, finish.
const places = 16

// breakStreams breaks streams, 8 at a time, so many at each place of those a
// step apart. Breakers would keep most of them from the cloud, so that every
// stream has a target of its own, all of them the same fake.
func breakStreams(t *testing.T, kind fake.Kind, step, each int) {
	n := places / step * each
	cloud := newCloud(t, fake.Options{})
	text := "policy: policy.yaml\ncloud:\n  targets:\n"
	for i := range n {
		text += target(fmt.Sprint("t", i), cloud)
	}
	h := unstarted(t, noLocal, text)
	h.write("policy.yaml", quick(t))
	h.start()
	want := h.ask(ask{text: "tell me"}.with("model", "cloud/t0")).text
	var tally counts
	for round := range places / step {
		set(t, cloud, fake.Fault{Kind: kind, After: round * step})
		inParallel(8, round*each, (round+1)*each, func(i int) {
			a := ask{text: "tell me"}.with("stream", true).with("model", fmt.Sprint("cloud/t", i))
			a = a.headed("Cache-Control", "no-store").headed("x-nearside-deadline-ms", "3000")
			tally.add(t, h.ask(a), want)
		})
	}
	if got := tally.whole + tally.broken + tally.refused; got != n || tally.broken < n*3/4 {
		t.Errorf("got %d ends, %d of them broken off, want %d, three in four broken off", got, tally.broken, n)
	}
}

// inParallel calls f with each number from a up to b, on so many goroutines.
func inParallel(goroutines, a, b int, f func(i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range goroutines {
		all.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := a; i < b; i++ {
		next <- i
	}
	close(next)
	all.Wait()
}

// counts is how streams ended.
type counts struct {
	mu                     sync.Mutex // guards all
	whole, broken, refused int
}

func (c *counts) add(t *testing.T, r *reply, want string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.status == http.StatusOK && r.done && r.finish != "" && r.text == want:
		c.whole++
	case r.status == http.StatusOK && !r.done && r.kind != "" && r.finish == "" && strings.HasPrefix(want, r.text):
		c.broken++
	case r.status >= 500 && r.kind != "" && r.text == "":
		c.refused++
	default:
		t.Errorf("cut silently: %v", r)
	}
}

// TestBreaksBeforeFirstToken is a stream that breaks when nothing was said:
// nobody notices.
func TestBreaksBeforeFirstToken(t *testing.T) {
	for _, kind := range []fake.Kind{fake.CutStream, fake.EndStream, fake.ErrorStream, fake.CutJSON, fake.HangStream} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
			h := unstarted(t, noLocal, "policy: policy.yaml", clouds(first, second))
			h.write("policy.yaml", quick(t))
			h.start()
			for after := range 2 { // nothing, then the role alone
				set(t, first, fake.Fault{Kind: kind, After: after})
				r := h.ask(inCloud("hello").with("stream", true))
				if r.target() != "cloud/second" || !r.done || r.finish != "stop" || r.text == "" {
					t.Errorf("after %d chunks: got %v, want the whole answer of cloud/second", after, r)
				}
			}
		})
	}
}

// TestCallerGone has callers leave more often than a breaker takes faults: the
// cloud hears of it, and is not blamed.
func TestCallerGone(t *testing.T) {
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprint("stream=", stream), func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, fake.Options{})
			h := newHouse(t, noLocal, clouds(cloud))
			set(t, cloud, fake.Fault{Kind: fake.Latency, MS: 3600_000})
			if stream {
				set(t, cloud, fake.Fault{Kind: fake.HangStream, After: 3})
			}
			for i := range 12 {
				h.abandon(t, cloud, stream)
				wait(t, cloud, func(s fake.State) bool { return s.Cancelled == i+1 && s.InFlight == 0 })
			}
			until(t, "the daemon knows", patience, func() bool { return h.target("cloud/first").InFlight == 0 })
			seen := h.target("cloud/first")
			if *seen.Breaker != "closed" || seen.ErrorRate != nil && *seen.ErrorRate != 0 || seen.Calls != 12 {
				t.Errorf("got breaker %s, error rate %v, %d calls, want closed, none, 12", *seen.Breaker, seen.ErrorRate, seen.Calls)
			}
			set(t, cloud, fake.Fault{Kind: fake.None})
			if r := h.ask(inCloud("still there?").with("stream", stream)); r.target() != "cloud/first" {
				t.Errorf("got %v, want cloud/first", r)
			}
		})
	}
}

// abandon asks and leaves: a plain ask once the cloud has it, a streamed one
// after its first words.
func (h *house) abandon(t *testing.T, cloud *fake.Server, stream bool) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var gone sync.WaitGroup
	gone.Go(func() {
		resp, err := h.send(ctx, inCloud("slow").with("stream", stream))
		if err != nil {
			return // it left before the headers, as it should
		}
		defer resp.Body.Close()
		if !stream {
			t.Errorf("got status %d, want to leave before", resp.StatusCode)
		}
		if _, err := (&sse.Events{In: resp.Body}).Next(); err != nil {
			t.Error(err)
		}
	})
	if stream {
		gone.Wait()
	}
	if !stream {
		wait(t, cloud, func(s fake.State) bool { return s.InFlight == 1 })
	}
	leave()
	gone.Wait()
}

// wait returns when the fake has seen what ok wants.
func wait(t *testing.T, s *fake.Server, ok func(fake.State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Wait(ctx, ok); err != nil {
		t.Fatalf("%v: %+v", err, s.State())
	}
}
