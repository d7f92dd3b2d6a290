package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai/sse"
	"nearside/cmd/fakecloud/fake"
)

// TestLeavers has 120 callers leave: before the headers, in mid-stream, while
// the device answers. No breaker opens, and nothing of them is left: no call at
// the cloud, no descriptor, no goroutine.
func TestLeavers(t *testing.T) {
	few, many := newParty(t), newParty(t)
	few.leave(t, 1)
	before := many.descriptors(t)
	many.leave(t, 40)
	many.blamesNobody(t)
	until(t, "the descriptors are closed", patience, func() bool { return many.descriptors(t) <= before+spare })
	base, stacks := few.goroutines(t), ""
	got := many.goroutines(t)
	t.Logf("%d goroutines after 120 callers, %d after 3", got, base)
	if got > base+spare {
		_, stacks, _ = strings.Cut(many.log.String(), "SIGQUIT")
	}
	if got > base+spare || base == 0 {
		t.Errorf("got %d goroutines after 120 callers that left, %d after three\n%s", got, base, stacks)
	}
}

// spare is what a daemon may hold open more at one time than at another: idle
// connections, readers of the store.
const spare = 10

// party is a daemon with a cloud that callers leave.
type party struct {
	*house
	cloud *fake.Server
	near  string // the local target
}

func newParty(t *testing.T) *party {
	p := &party{cloud: newCloud(t, fake.Options{})}
	p.house = newHouse(t, clouds(p.cloud))
	p.answers(t)
	p.near = p.status().Targets[0].Name
	if r := p.ask(inCloud("hello")); r.target() != "cloud/first" {
		t.Fatalf("got %v, want cloud/first", r)
	}
	return p
}

// leave has so many callers leave in each way.
func (p *party) leave(t *testing.T, n int) {
	t.Helper()
	p.leaveCloud(t, n, fake.Fault{Kind: fake.Latency, MS: 3600_000}, false)
	p.leaveCloud(t, n, fake.Fault{Kind: fake.HangStream, After: 3}, true)
	set(t, p.cloud, fake.Fault{Kind: fake.None})
	for i := range n {
		ctx, leave := context.WithCancel(t.Context())
		var left sync.WaitGroup
		left.Go(func() { p.begin(t, ctx, story(i%2 == 0)) })
		until(t, "the engine answers", patience, func() bool { return p.target(p.near).InFlight == 1 })
		leave()
		left.Wait()
		until(t, "the daemon knows", patience, func() bool { return p.target(p.near).InFlight == 0 })
	}
}

// leaveCloud has callers leave eight at a time, all once the cloud has their
// calls.
func (p *party) leaveCloud(t *testing.T, n int, f fake.Fault, stream bool) {
	t.Helper()
	set(t, p.cloud, f)
	for n > 0 {
		crowd := min(n, 8)
		n -= crowd
		ctx, leave := context.WithCancel(t.Context())
		var begun, left sync.WaitGroup
		for i := range crowd {
			begun.Add(1)
			left.Go(func() {
				p.begin(t, ctx, inCloud(fmt.Sprint("slow ", i)).with("stream", stream), begun.Done)
			})
		}
		if stream {
			begun.Wait()
		}
		wait(t, p.cloud, func(s fake.State) bool { return s.InFlight == crowd })
		leave()
		left.Wait()
		wait(t, p.cloud, func(s fake.State) bool { return s.InFlight == 0 })
	}
}

// begin asks, reads the first words of a stream, tells of them and stays until
// ctx ends.
func (p *party) begin(t *testing.T, ctx context.Context, a ask, begun ...func()) {
	resp, err := p.send(ctx, a)
	if err == nil {
		defer resp.Body.Close()
		_, err = (&sse.Events{In: resp.Body}).Next()
	}
	if err != nil && ctx.Err() == nil {
		t.Errorf("began with %v, want to stay until the end", err)
	}
	for _, f := range begun {
		f()
	}
	<-ctx.Done()
}

// blamesNobody checks that all targets are as good as before.
func (p *party) blamesNobody(t *testing.T) {
	t.Helper()
	for name, calls := range map[string]int64{p.near: 1 + 40, "cloud/first": 1 + 2*40} {
		until(t, "the daemon knows", patience, func() bool { return p.target(name).InFlight == 0 })
		seen := p.target(name)
		open := seen.Breaker != nil && *seen.Breaker != "closed"
		if !seen.Usable || open || seen.ErrorRate != nil && *seen.ErrorRate != 0 || seen.Calls != calls {
			t.Errorf("got %+v, want it usable after %d calls, and no blame", seen, calls)
		}
	}
	if r := p.ask(inCloud("still there?")); r.target() != "cloud/first" {
		t.Errorf("got %v, want cloud/first", r)
	}
	p.answers(t)
}

// descriptors counts what the daemon and its engine hold open.
func (p *party) descriptors(t *testing.T) int {
	t.Helper()
	p.http.CloseIdleConnections()
	n := 0
	for _, pid := range []int{p.cmd.Process.Pid, p.engine()} {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		n += len(all)
	}
	return n
}

var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// goroutines ends the daemon with the signal that has it print all of them.
func (p *party) goroutines(t *testing.T) int {
	t.Helper()
	pid := p.engine()
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the daemon did not end on SIGQUIT")
	}
	p.cmd = nil
	until(t, "the engine is gone", patience, func() bool { return gone(pid) })
	return len(goroutine.FindAllString(p.log.String(), -1))
}
