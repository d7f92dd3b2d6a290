package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"nearside/cloud/wire"
	"nearside/cmd/fakecloud/fake"
	"nearside/policy/seal"
)

// besets is what a broker that means harm sends, n after n.
func besets(o *office) []func(n int) (topic, text string) {
	junk, again := strings.Repeat("x", seal.MaxBytes-10), o.command("again", "status", time.Hour)
	return []func(n int) (string, string){
		func(n int) (string, string) { return "ns/1/acme/d/car-7/pol", fmt.Sprintf("%09d %s", n, junk) },
		func(n int) (string, string) { return "ns/1/acme/pol/early", fmt.Sprintf("%09d %s", n, junk) },
		func(n int) (string, string) { return "ns/1/acme/d/car-7/pol", strings.Repeat("y", wire.MaxMessage+1) },
		func(n int) (string, string) { return "ns/1/acme/d/car-7/cmd", fmt.Sprintf(`{"n":%d}`, n) },
		func(n int) (string, string) { return "ns/1/acme/d/car-7/cmd", again },
		func(n int) (string, string) {
			return "ns/1/acme/d/car-7/state", fmt.Sprintf(`{"session":%d,"online":true,"by":"%d"}`, n, n)
		},
	}
}

// TestAttackAtLineRate: a broker that sends as much as it can costs the device some
// of its time, and neither memory nor the disk nor the log; a policy that is
// rightly signed still gets in, and is reported.
func TestAttackAtLineRate(t *testing.T) {
	t.Parallel()
	o, hub := newOffice(t), newHub(t)
	h := o.brokered(hub, noLocal, clouds(newCloud(t, fake.Options{})))
	hub.report(func(r *wire.Status) bool { return r.Policy.State == "factory" })
	s := &siege{house: h, t: t}
	hub.put("ns/1/acme/d/car-7/cmd", o.command("again", "status", time.Hour), false)
	until(t, "the answer", patience, func() bool { return hub.latest("ack") != nil })

	memory, disk, log := s.resident(t), s.written(t), len(h.log.String())
	const lasts = 8 * time.Second
	sent, began := 0, time.Now()
	for ; time.Since(began) < lasts; sent++ {
		all := besets(o)
		topic, text := all[sent%len(all)](sent)
		hub.put(topic, text, sent%2 == 0)
	}
	grown, wrote, said := s.resident(t)-memory, s.written(t)-disk, len(h.log.String())-log
	t.Logf("%d messages in %v: memory %+d MiB, disk %d KiB, log %d KiB, %d reports, %d answers, %d events", sent, lasts, grown>>20, wrote>>10, said>>10,
		hub.count("rep"), hub.count("ack"), hub.count("evt"))
	if grown > 96<<20 || // of a program with the race detector, which takes several times as much
		wrote > 4<<20 || said > 32<<10 {
		t.Errorf("too much: memory %d, disk %d, log %d bytes", grown, wrote, said)
	}
	hub.put("ns/1/acme/pol/early", o.seal(7, ordinary()), true)
	hub.report(func(r *wire.Status) bool { return r.Policy.Version == 7 })
}

func (h *hub) count(what string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard["ns/1/acme/d/car-7/"+what]
}

// written is how many bytes the daemon had written to the disk.
func (s *siege) written(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
	must(t, "read io", err)
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(number, 10, 64)
	must(t, "read io", err)
	return n
}
