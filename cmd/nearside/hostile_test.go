package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

// figure reads one metric of the daemon.
func (h *house) figure(name string) int {
	h.t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(h.get("/metrics"))
	if found == nil {
		h.t.Fatalf("no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return int(v)
}

// peakMiB is the most memory the daemon ever had resident.
func (h *house) peakMiB() int {
	h.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	var kib int
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found != nil {
		kib, _ = strconv.Atoi(string(found[1]))
	}
	return kib >> 10
}

// attack is something hostile that many do at once. The statuses are those an
// attacker may get; any may be cut off without one.
type attack struct {
	name string
	many int
	text string
	want []int
}

func posted(body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", chatPath, len(body), body)
}

func attacks() []attack {
	const deep = 100_000
	get := "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n"
	return []attack{
		{"heads of 1 MB", 50, get + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", []int{431}},
		{"half heads", 200, get + "X: ", []int{400}},
		{"large bodies", 48, posted(`{"messages":[{"role":"user","content":"hello"}],"user":"` + strings.Repeat("x", 15<<20) + `"}`), []int{200, 429}},
		{"bodies past the bound", 10, posted(strings.Repeat(" ", 17<<20)), []int{413}},
		{"deep lists", 30, posted(`{"messages":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`), []int{400}},
		{"a million messages", 10, posted(`{"messages":[` + strings.Repeat("{},", 1_000_000) + `{}]}`), []int{413, 429}},
		{"wrong hosts", 50, "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", []int{403}},
		{"pages", 50, get + "Origin: https://evil.example\r\nConnection: close\r\n\r\n", []int{403}},
		{"two lengths", 50, "POST " + chatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", []int{400}},
	}
}

// make runs one attacker to its end and returns the status it got.
func (a *attack) make(t *testing.T, addr string) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("%s: %v", a.name, err)
		return -1
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	go io.WriteString(conn, a.text) // until it is closed
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: neither an answer nor the end", a.name)
		return -1
	}
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestHostile attacks a daemon in all ways at once, while an honest caller asks.
// Each attacker gets the status it should or is cut off; the caller is answered
// each time; memory stays bounded, and nothing is left behind.
func TestHostile(t *testing.T) {
	h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})))
	addr := h.startOnTCP()
	h.ask(ask{text: "before"})
	until(t, "the store is open and has written", patience, func() bool { return h.status().Store.Queue.Rows > 0 })
	goroutines, descriptors := h.figure("go_goroutines"), h.figure("process_open_fds")

	var attackers sync.WaitGroup
	for _, a := range attacks() {
		for range a.many {
			attackers.Go(func() {
				if got := a.make(t, addr); got > 0 && !slices.Contains(a.want, got) {
					t.Errorf("%s: got status %d, want one of %v", a.name, got, a.want)
				}
			})
		}
	}
	over := make(chan struct{})
	go func() {
		attackers.Wait()
		close(over)
	}()
	h.asksUntil(over)
	for _, a := range attacks() { // of the many all may have been too late to be heard
		if got := a.make(t, addr); slices.Contains([]string{"wrong hosts", "pages"}, a.name) && got != http.StatusForbidden {
			t.Errorf("%s, in the quiet after: got status %d", a.name, got)
		}
	}

	const bound = 700 // MiB, with the race detector, which takes several times what the daemon does (134)
	if peak := h.peakMiB(); peak > bound {
		t.Errorf("the daemon took %d MiB, want at most %d", peak, bound)
	} else {
		t.Logf("peak: %d MiB", peak)
	}
	until(t, "nothing is left behind", patience, func() bool {
		g, d := h.figure("go_goroutines"), h.figure("process_open_fds")
		return g <= goroutines+4 && d <= descriptors+4
	})
	for _, reason := range []string{"host", "origin"} {
		if got := h.figure(`nearside_refused_total\{reason="` + reason + `"\}`); got == 0 {
			t.Errorf("none of those refused for their %s was counted", reason)
		}
	}
}

// asksUntil asks over the socket until it is over, and gets an answer each time.
func (h *house) asksUntil(over <-chan struct{}) {
	h.t.Helper()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		default:
		}
		if got := h.ask(ask{text: fmt.Sprint("question ", n)}); got.status != 200 {
			h.t.Errorf("the honest caller: %v", got)
		}
	}
}
