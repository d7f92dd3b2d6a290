package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
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

// caller asks the same again and again, on a connection of its own and by calls
// of the kernel that block: neither collections nor the scheduler of the test have
// a part in what it measures.
type caller struct {
	b    *testing.B
	line *os.File
	in   *bufio.Reader
	text []byte // of the request
}

func newCaller(b *testing.B, network, addr, path string, body []byte) *caller {
	b.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	line, err := conn.(interface{ File() (*os.File, error) }).File() // another descriptor of it
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { line.Close() })
	if err := syscall.SetNonblock(int(line.Fd()), false); err != nil {
		b.Fatal(err)
	}
	text := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return &caller{b, line, bufio.NewReader(line), text}
}

// ask asks once, and tells how long the answer took.
func (c *caller) ask() time.Duration {
	start := time.Now()
	_, err := c.line.Write(c.text)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(c.in, nil)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	took := time.Since(start)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.b.Fatalf("ask: %v, %+v", err, resp)
	}
	return took
}

// second asks once in a millisecond for a second, and gives the slowest answer.
// The work begins after a tenth of it.
func (c *caller) second(work func()) (worst time.Duration) {
	runtime.GC() // and none meanwhile
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	each := time.NewTicker(time.Millisecond)
	defer each.Stop()
	for n := range 1000 {
		<-each.C
		if n == 100 {
			go work()
		}
		worst = max(worst, c.ask())
	}
	return worst
}

// BenchmarkSwapOnce brings one policy of 16 KiB in each second to a daemon that
// is asked once in a millisecond: the slowest answer of such a second, of one
// without, and of one in which a bare server is asked that does next to nothing,
// in turn.
func BenchmarkSwapOnce(b *testing.B) {
	o, far := newOffice(b), newCloud(b, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	body, version := large(16<<10), int64(0)
	known := ask{text: "known"}.with("temperature", 0)
	h.ask(known)
	daemon := newCaller(b, "unix", h.socket, "/v1/chat/completions", known.body())
	bare := newCaller(b, "tcp", strings.TrimPrefix(far.URL(), "http://"), "/v1/chat/completions", known.with("model", "fake-model").body())
	figures := map[string][]time.Duration{}
	add := func(name string, d time.Duration) { figures[name] = append(figures[name], d) }
	for b.Loop() {
		version++
		envelope, done := o.seal(version, body), make(chan time.Duration, 1)
		add("worst_ms_bare", bare.second(func() {}))
		without := daemon.second(func() {})
		with := daemon.second(func() { done <- h.bring(b, envelope) })
		add("worst_ms_without", without)
		add("worst_ms_with", with)
		add("worst_ms_more", with-without)
		add("ms/apply", <-done)
	}
	for name, all := range figures {
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
