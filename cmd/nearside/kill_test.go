package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai/sse"
	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
)

// near is an ask that only the model on the device may answer.
func near(text string) ask { return ask{text: text}.headed("x-nearside-mode", "local") }

// story is an ask whose answer takes the model a while.
func story(stream bool) ask {
	a := near("Write a long story about a lighthouse keeper.").with("stream", stream).with("max_tokens", 200)
	a.fields["messages"] = []any{
		map[string]string{"role": "system", "content": "You are a writer. Write very long stories with many details."},
		map[string]string{"role": "user", "content": a.text},
	}
	return a.headed("x-nearside-deadline-ms", fmt.Sprint(patience.Milliseconds()))
}

// storyTime is the deadline of a story and what a busy machine adds.
const storyTime = patience + 10*time.Second

// answers checks that the device answers.
func (h *house) answers(t *testing.T) {
	t.Helper()
	if r := h.ask(near("What is the capital of France?")); r.status != http.StatusOK || r.route() != "local" || r.text == "" {
		t.Errorf("got %v, want a local answer; engine %+v", r, h.status().Engine)
	}
}

// engine is the process of the running engine.
func (h *house) engine() int {
	h.t.Helper()
	until(h.t, "the engine is ready", patience, func() bool { return h.status().Engine.State == "ready" })
	return *h.status().Engine.PID
}

// killEngine ends the engine as the kernel does when memory is short, and
// returns when the daemon knows.
func (h *house) killEngine() {
	h.t.Helper()
	pid := h.engine()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
	until(h.t, "the daemon knows of the crash", patience, func() bool {
		now := h.status().Engine.PID
		return now == nil || *now != pid
	})
}

// TestEngineKilled kills the real engine three times: while it answers a plain
// ask, inside a stream, and idle.
func TestEngineKilled(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, clouds(cloud))
	h.answers(t)
	h.killInPlain(t)
	h.answers(t)
	h.killInStream(t)
	until(t, "the pause after the second crash is over", patience, func() bool { return h.status().Engine.State != "backoff" })
	h.answers(t)
	h.killEngine()
	h.quarantined(t)
	if s := cloud.State(); s.Connections != 0 {
		t.Errorf("the cloud saw %+v, want nothing", s)
	}
}

func (h *house) killInPlain(t *testing.T) {
	t.Helper()
	var asked sync.WaitGroup
	asked.Go(func() {
		r := h.ask(story(false))
		if r.took > storyTime || r.status != http.StatusOK || r.header.Get("x-nearside-attempts") != "2" {
			t.Errorf("got %v, want an answer of the engine's next life in time", r)
		}
	})
	until(t, "the engine answers", patience, func() bool { return h.status().Targets[0].InFlight == 1 })
	h.killEngine()
	asked.Wait()
}

func (h *house) killInStream(t *testing.T) {
	t.Helper()
	start := time.Now()
	resp, err := h.send(t.Context(), story(true))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := &sse.Events{In: resp.Body}
	if _, err := events.Next(); err != nil {
		t.Fatal(err)
	}
	h.killEngine()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if err := r.readStream(events); err != nil {
		t.Error(err)
	}
	r.took = time.Since(start)
	if r.took > storyTime || r.done == (r.kind != "") {
		t.Errorf("got %v, want an end mark or an error event in time", r)
	}
}

// quarantined checks what is seen of an engine that crashed three times.
func (h *house) quarantined(t *testing.T) {
	t.Helper()
	s := h.status()
	if s.Engine.State != "quarantined" || s.Engine.Why == nil || s.Targets[0].Usable {
		t.Errorf("got engine %+v, want it quarantined, and why", s.Engine)
	}
	failed := func(c status.Condition) bool {
		return c.Name == "engine" && c.Severity == "fail" && strings.Contains(c.Message, "crashes")
	}
	if len(s.Health) == 0 || !failed(s.Health[0]) {
		t.Errorf("got health %v, want the engine's failure", s.Health)
	}
	for _, stream := range []bool{false, true} {
		start := time.Now()
		r := h.ask(ask{text: "A secret?"}.with("stream", stream).headed("x-nearside-privacy", "private"))
		if r.status != http.StatusUnprocessableEntity || r.kind != "policy_blocked" || r.header.Get("x-should-retry") != "false" {
			t.Errorf("private: got %v, want 422 policy_blocked", r)
		}
		if took := time.Since(start); took > patience/2 {
			t.Errorf("private: refused after %v, want at once", took)
		}
	}
}

// gone tells whether the process has ended, if only its parent does not know.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return err != nil || bytes.HasPrefix(state, []byte("Z"))
}

// TestCallerLeavesEngine has callers leave in the middle of local answers: the
// engine is free for the next at once, and not blamed.
func TestCallerLeavesEngine(t *testing.T) {
	h := newHouse(t)
	h.answers(t)
	name := h.status().Targets[0].Name
	for _, stream := range []bool{true, false, true} {
		ctx, leave := context.WithCancel(t.Context())
		var asked sync.WaitGroup
		asked.Go(func() {
			if resp, err := h.send(ctx, story(stream)); err == nil {
				<-ctx.Done()
				resp.Body.Close()
			}
		})
		until(t, "the engine answers", patience, func() bool { return h.target(name).InFlight == 1 })
		leave()
		asked.Wait()
		until(t, "the daemon knows", patience, func() bool { return h.target(name).InFlight == 0 })
		h.answers(t)
	}
	if seen := h.target(name); *seen.ErrorRate != 0 || h.status().Engine.State != "ready" {
		t.Errorf("got %+v, want no blame", seen)
	}
}

// TestDaemonKilled cuts the daemon off in the middle of an answer. Its engine
// ends with it, and the next life needs no cleaning.
func TestDaemonKilled(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, clouds(cloud))
	keep := inCloud("keep this").with("temperature", 0)
	h.kept(t, keep)
	h.answers(t)
	pid := h.engine()
	resp, err := h.send(t.Context(), story(true))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h.kill()
	until(t, "the engine is gone", patience, func() bool { return gone(pid) })

	h.start()
	h.answers(t)
	if r := h.ask(keep); r.route() != "cache" {
		t.Errorf("got %v, want what was kept before the kill", r)
	}
	s := h.status()
	if s.Store.Queue.State != "ok" || s.Store.Cache.State != "ok" || len(s.Health) > 0 {
		t.Errorf("got store %+v, health %v, want all well", s.Store, s.Health)
	}
	h.stop()
	if sockets, _ := filepath.Glob(filepath.Join(h.dir, "state", "run", "*")); len(sockets) > 0 {
		t.Errorf("left behind: %v", sockets)
	}
}

// TestStopInStreams asks the daemon to end while a local and a cloud stream
// run: both finish, nothing is left.
func TestStopInStreams(t *testing.T) {
	cloud := newCloud(t, fake.Options{TokensPerSecond: 20, Words: 30})
	h := newHouse(t, "drain: 60s", clouds(cloud))
	h.answers(t)
	pid := h.engine()
	h.cut(t, inCloud("slowly").with("stream", true), story(true).with("max_tokens", 100))
	if !gone(pid) {
		t.Errorf("the engine %d outlives the daemon", pid)
	}
}

// cut begins the streams, stops the daemon, and reads them to their ends.
func (h *house) cut(t *testing.T, asks ...ask) {
	t.Helper()
	var all []*sse.Events
	for _, a := range asks {
		resp, err := h.send(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		events := &sse.Events{In: resp.Body}
		if _, err := events.Next(); err != nil {
			t.Fatal(err)
		}
		all = append(all, events)
	}
	var stopped sync.WaitGroup
	stopped.Go(h.stop)
	for i, events := range all {
		r := &reply{}
		if err := r.readStream(events); err != nil || !r.done || r.finish == "" {
			t.Errorf("stream %d: got %v, %v, want its end", i, r, err)
		}
	}
	stopped.Wait()
}

// TestDaemonKilledWhileLoading cuts the daemon off before its engine is ready.
func TestDaemonKilledWhileLoading(t *testing.T) {
	h := newHouse(t, "local: {engine: {start: boot}}")
	pid := 0
	until(t, "the engine has a process", patience, func() bool {
		if p := h.status().Engine.PID; p != nil {
			pid = *p
		}
		return pid != 0
	})
	h.kill()
	until(t, "the engine is gone", patience, func() bool { return gone(pid) })
	h.start()
	h.answers(t)
}

// TestStopHasAnEnd asks the daemon to end while clouds hang: after the drain
// time the callers are told, and it ends.
func TestStopHasAnEnd(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, "drain: 1s", clouds(first, second))
	set(t, first, fake.Fault{Kind: fake.HangStream, After: 3})
	set(t, second, fake.Fault{Kind: fake.Hang})
	resp, err := h.send(t.Context(), ask{text: "never ends"}.with("model", "cloud/first").with("stream", true))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var waiting sync.WaitGroup
	for i, stream := range []bool{false, true} {
		waiting.Go(func() {
			r := h.ask(ask{text: "never begins"}.with("model", "cloud/second").with("stream", stream))
			if r.status != http.StatusServiceUnavailable || r.kind != "shutting_down" {
				t.Errorf("got %v, want 503 shutting_down", r)
			}
		})
		wait(t, second, func(s fake.State) bool { return s.InFlight == i+1 })
	}
	start := time.Now()
	h.stop()
	if took := time.Since(start); took < time.Second || took > patience/2 {
		t.Errorf("it took %v, want the drain time of 1 s", took)
	}
	waiting.Wait()
	r := &reply{}
	if err := r.readStream(&sse.Events{In: resp.Body}); err != nil || r.done || r.kind == "" {
		t.Errorf("got %v, %v, want an error event", r, err)
	}
}
