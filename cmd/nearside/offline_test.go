package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nearside/cmd/fakecloud/fake"
)

// inside marks a test that runs in namespaces of its own.
const inside = "NEARSIDE_TEST_INSIDE"

// isolated runs the calling test once more, in a network and mount namespace
// of its own, and tells whether this is that run. The outer run ends with what
// the inner one found.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		must(t, "keep mounts to this namespace", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
		ip(t, "link", "set", "lo", "up")
		return true
	}
	self, err := os.Executable()
	must(t, "find this program", err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a namespace of its own: %v\n%s", err, out)
	}
	return false
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func ip(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	must(t, fmt.Sprintf("ip %s: %s", strings.Join(args, " "), out), err)
	return out
}

// resolver makes the text the resolv.conf of this namespace.
func resolver(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	must(t, "write resolv.conf", os.WriteFile(file, []byte(text), 0o644))
	must(t, "mount resolv.conf", unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount("/etc/resolv.conf", 0) })
}

// far is the network namespace at the other end of the cable. It lives on a
// thread of its own.
type far struct{ work chan func() }

func newFar(t *testing.T) *far {
	t.Helper()
	f, ended := &far{make(chan func())}, make(chan struct{})
	began := make(chan error, 1)
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		began <- unix.Unshare(unix.CLONE_NEWNET)
		for w := range f.work {
			w()
		}
	}()
	t.Cleanup(func() { close(f.work); <-ended })
	must(t, "make the far namespace", <-began)
	return f
}

// do runs w in the far namespace: sockets it opens and programs it starts are
// there.
func (f *far) do(w func()) {
	done := make(chan struct{})
	f.work <- func() { defer close(done); w() }
	<-done
}

// The ends of the cable and their addresses. The far one is the way to
// everywhere.
const (
	nearEnd, nearIP = "nsnear", "10.77.0.1"
	farEnd, farIP   = "nsfar", "10.77.0.2"
)

// cable joins the two namespaces; it is plugged in.
func cable(t *testing.T, f *far) {
	t.Helper()
	ip(t, "link", "add", nearEnd, "type", "veth", "peer", "name", farEnd)
	tid := 0
	f.do(func() { tid = unix.Gettid() })
	ip(t, "link", "set", farEnd, "netns", fmt.Sprint(tid))
	wire := func(end, addr string) {
		ip(t, "link", "set", "dev", end, "addrgenmode", "none") // no chatter of the kernel's own
		ip(t, "addr", "add", addr+"/24", "dev", end)
		ip(t, "link", "set", end, "up")
	}
	f.do(func() { wire(farEnd, farIP) })
	wire(nearEnd, nearIP)
	ip(t, "route", "add", "default", "via", farIP)
}

// plug joins the cable at its far end, or pulls it: the near end keeps its
// addresses and routes and loses its carrier.
func (f *far) plug(t *testing.T, state string) {
	t.Helper()
	f.do(func() { ip(t, "link", "set", farEnd, state) })
}

// tally is what an interface counted: packets both ways, and those the
// kernel was given and could not send.
func tally(t *testing.T, name string) string {
	t.Helper()
	var links []struct {
		Stats map[string]map[string]int64 `json:"stats64"`
	}
	must(t, "read counters", json.Unmarshal(ip(t, "-j", "-s", "link", "show", "dev", name), &links))
	rx, tx := links[0].Stats["rx"], links[0].Stats["tx"]
	return fmt.Sprintf("%s: rx %d, tx %d, dropped %d, errors %d %d", name, rx["packets"], tx["packets"], tx["dropped"], tx["errors"], tx["carrier_errors"])
}

// packets are the counters of both ends.
func (f *far) packets(t *testing.T) string {
	t.Helper()
	there := ""
	f.do(func() { there = tally(t, farEnd) })
	return tally(t, nearEnd) + "; " + there
}

// closed tells whether neither end has anything more to say on a connection: a
// close that was not answered is sent again by the kernel.
func (f *far) closed(t *testing.T) bool {
	t.Helper()
	const finished, listens = " 06 ", " 0A " // TCP_TIME_WAIT, TCP_LISTEN
	quiet := func() bool {
		text, err := os.ReadFile("/proc/thread-self/net/tcp")
		must(t, "read connections", err)
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			if !strings.Contains(line, finished) && !strings.Contains(line, listens) {
				return false
			}
		}
		return true
	}
	there := false
	f.do(func() { there = quiet() })
	return there && quiet()
}

// silent checks that work puts nothing on the cable.
func (f *far) silent(t *testing.T, work func()) {
	t.Helper()
	if moved := f.moved(t, work); moved != "" {
		t.Error(moved)
	}
}

// quietens checks that work puts nothing on the cable, once what was under way
// has ended: the kernel sends a close again that nobody answers, each time later.
func (f *far) quietens(t *testing.T, work func()) {
	t.Helper()
	moved := ""
	for range 6 {
		if moved = f.moved(t, work); moved == "" {
			return
		}
	}
	t.Errorf("each time %s", moved)
}

// moved says what work put on the cable.
func (f *far) moved(t *testing.T, work func()) string {
	t.Helper()
	before := f.packets(t)
	work()
	if after := f.packets(t); after != before {
		return fmt.Sprintf("packets moved:\n%s\n%s", before, after)
	}
	return ""
}

// farCloud is a fake at the far end.
func (f *far) cloud(t *testing.T) *fake.Server {
	t.Helper()
	s := fake.New(fake.Options{Name: "faraway"})
	t.Cleanup(s.Close)
	var err error
	f.do(func() { err = s.Listen(farIP + ":6400") })
	must(t, "listen at the far end", err)
	return s
}

// elsewhere are targets that no cable of these tests leads to.
const elsewhere = `    - {name: distant, kind: openai, base_url: "https://192.0.2.1/v1", models: {chat: fake-model}}
    - {name: named, kind: openai, base_url: "https://api.nearside.example/v1", models: {chat: fake-model}}
`

func cloudAsk(text string) ask { return ask{text: text}.headed("x-nearside-mode", "cloud") }

// TestOffline pulls the cable and plugs it in again, around a daemon that
// starts without it and around one that runs.
func TestOffline(t *testing.T) {
	if !isolated(t) {
		return
	}
	f := newFar(t)
	cable(t, f)
	resolver(t, "nameserver 192.0.2.53\n")
	cloud := f.cloud(t)
	h := unstarted(t, clouds(cloud)+elsewhere, strings.Replace(steeredBy, "}", fmt.Sprintf(
		", mqtt: {brokers: ['tcp://%s:1883', 'tls://broker.nearside.example']}, pull: {url: 'https://fleet.nearside.example/p', every: 10s}}", farIP), 1))
	h.write("root.json", newOffice(t).root())
	h.start()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "ok" })
	known := cloudAsk("What do you know of tides?")
	first := h.ask(known)
	if first.route() != "cloud" || first.text == "" {
		t.Fatalf("with the cable in: %v", first)
	}
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 0 })
	h.stop()
	until(t, "its connections are closed", patience, func() bool { return f.closed(t) })

	f.plug(t, "down")
	f.silent(t, func() {
		h.start()
		h.offline(first, known)
	})
	f.plug(t, "up")
	h.online(t)
	f.plug(t, "down")
	until(t, "the daemon knows that the cable is out", patience, func() bool { return h.status().Connectivity.State == "offline" })
	f.quietens(t, func() { h.offline(first, known) })
	f.plug(t, "up")
	h.online(t)
}

// offline asks a daemon without a network: locally, for what it knew, and for
// what it cannot have.
func (h *house) offline(first *reply, known ask) {
	h.t.Helper()
	if c := h.status().Connectivity; c.State != "offline" || c.Source != "link" {
		h.t.Errorf("connectivity %+v", c)
	}
	if r := h.ask(ask{text: "What is the capital of France?"}); r.route() != "local" || !strings.Contains(r.text, "Paris") {
		h.t.Errorf("local: %v", r)
	}
	for _, a := range []ask{known, known.with("stream", true)} {
		r := h.ask(a)
		if r.status != 200 || r.route() != "stale" || r.text != first.text || r.header.Get("Age") == "" || r.header.Get("x-nearside-degraded") != "1" {
			h.t.Errorf("what was known: %v", r)
		}
	}
	h.refusesAtOnce("")
	h.refusesAtOnce("cloud/distant")
	h.refusesAtOnce("cloud/named")
}

// refusesAtOnce asks for what only the model, or else any cloud, could answer.
// Asks that a busy machine delayed say nothing, and are made again.
func (h *house) refusesAtOnce(model string) {
	h.t.Helper()
	var median time.Duration
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if median = h.refuses(model); median <= 50*time.Millisecond {
			return
		}
	}
	h.t.Errorf("%q is refused after %v at the least, want at once", model, median)
}

// refuses says how long nine refusals took, in the median.
func (h *house) refuses(model string) time.Duration {
	h.t.Helper()
	var took []time.Duration
	for i := range 9 {
		a := cloudAsk(fmt.Sprint("Who has asked this before? ", i)).with("stream", i%2 == 0)
		if model != "" {
			a = a.with("model", model)
		}
		r := h.ask(a)
		if r.status != 503 || r.kind != "offline_no_route" || r.header.Get("x-should-retry") != "false" || r.header.Get("x-nearside-attempts") != "0" {
			h.t.Fatalf("unknown to %q: %v", model, r)
		}
		took = append(took, r.took)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// online waits until the daemon knows that there is a way again, and takes it.
func (h *house) online(t *testing.T) {
	t.Helper()
	until(t, "the daemon knows that the cable is in", patience, func() bool { return h.status().Connectivity.State != "offline" })
	if r := h.ask(cloudAsk(fmt.Sprint("Is the cloud back at ", time.Now().UnixNano(), "?"))); r.route() != "cloud" {
		t.Errorf("with the cable in again: %v", r)
	}
}

// TestNoNetwork starts where there has never been a link or a resolver.
func TestNoNetwork(t *testing.T) {
	if !isolated(t) {
		return
	}
	resolver(t, "")
	h := newHouse(t, "cloud:\n  targets:\n"+elsewhere)
	if c := h.status().Connectivity; c.State != "offline" || c.Source != "link" {
		t.Errorf("connectivity %+v", c)
	}
	if r := h.ask(ask{text: "What is the capital of France?"}); r.route() != "local" || !strings.Contains(r.text, "Paris") {
		t.Errorf("local: %v", r)
	}
	h.refusesAtOnce("")
	if s := h.status(); !s.Ready {
		t.Errorf("not ready: %+v", s.Health)
	}
}
