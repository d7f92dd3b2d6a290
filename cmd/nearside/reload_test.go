package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearside/agent/config/written"
	"nearside/agent/server/control"
	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
)

// configure writes another config for the daemon, and the policy it names.
func (h *house) configure(version int, parts ...string) {
	h.t.Helper()
	_, _, text := written.DefaultPolicy()
	h.write("policy.yaml", strings.Replace(text, "version: 0", fmt.Sprint("version: ", version), 1))
	h.write("nearside.yaml", strings.Join(append(parts, "policy: policy.yaml"), "\n"))
}

// run is what a command of this daemon's printed, and its exit code.
func (h *house) run(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	var out, bad strings.Builder
	cmd := h.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &bad
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		h.t.Fatal(err)
	}
	return out.String(), bad.String(), code
}

// reload has the daemon read its config again; it must be good.
func (h *house) reload() control.Reloaded {
	h.t.Helper()
	out, bad, code := h.run("config", "reload", "--json")
	var r control.Reloaded
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		h.t.Fatalf("config reload: exit %d, %v: %s%s", code, err, out, bad)
	}
	return r
}

// finds is the health condition of that name whose message has the text.
func (h *house) finds(name, text string) (status.Condition, bool) {
	h.t.Helper()
	all := h.status().Health
	i := slices.IndexFunc(all, func(c status.Condition) bool { return c.Name == name && strings.Contains(c.Message, text) })
	if i < 0 {
		return status.Condition{}, false
	}
	return all[i], true
}

// TestReload changes what can be changed in a running daemon, then what cannot.
func TestReload(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{Key: "right"})
	h := newHouse(t, noLocal, clouds(first))
	if r := h.ask(inCloud("before")); r.target() != "cloud/first" {
		t.Fatalf("got %v, want an answer of cloud/first", r)
	}
	if r := h.reload(); len(r.Changed)+len(r.Targets)+len(r.Restart) != 0 || r.Before != r.After {
		t.Errorf("reload of the same config: got %+v, want nothing", r)
	}

	h.write("key", "right")
	keyed := strings.Replace(target("second", second), "{name", fmt.Sprintf("{key: {file: %q}, name", filepath.Join(h.dir, "key")), 1)
	h.configure(7, noLocal, "cache: {fresh: 2h}", "log: {level: debug}", "cloud:\n  targets:\n"+target("first", first)+keyed)
	r := h.reload()
	if want := []string{"cloud.targets", "cache.fresh", "policy", "log.level"}; !slices.Equal(r.Changed, want) {
		t.Errorf("changed: got %v, want %v", r.Changed, want)
	}
	if want := []string{"cloud/second"}; !slices.Equal(r.Targets, want) || len(r.Restart) != 0 {
		t.Errorf("targets and restart: got %v, %v, want %v and none", r.Targets, r.Restart, want)
	}
	if !strings.HasPrefix(r.Before, "0@") || !strings.HasPrefix(r.After, "7@") || h.status().Policy.Version != 7 {
		t.Errorf("policy: got %s after %s, and %d in the status, want version 7 after 0", r.After, r.Before, h.status().Policy.Version)
	}
	if got := string(h.get("/v1/logs/level")); !strings.Contains(got, `"level":"debug","config":"debug"`) {
		t.Errorf("log level: got %s, want debug", got)
	}
	if got := h.target("cloud/first").Calls; got != 1 {
		t.Errorf("cloud/first, which stayed, has %d calls, want the 1 from before", got)
	}
	if r := h.ask(ask{text: "with a key"}.with("model", "cloud/second")); r.target() != "cloud/second" {
		t.Errorf("got %v, want an answer of cloud/second", r)
	}

	h.write("nearside.yaml", strings.Join([]string{noLocal, clouds(first), "drain: 3s", "listen: {http: 127.0.0.1:1, hosts: [here]}"}, "\n"))
	if err := h.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "a hangup takes cloud/second out", patience, func() bool { return len(h.status().Targets) == 1 })
	if r := h.ask(ask{text: "gone"}.with("model", "cloud/second")); r.status != http.StatusNotFound {
		t.Errorf("got %v for a target that left, want 404", r)
	}
	if r := h.reload(); !slices.Equal(r.Restart, []string{"drain"}) { // --http outranks the file
		t.Errorf("got %+v, want drain to wait for a restart", r)
	}
	if _, ok := h.finds("restart", "drain"); !ok {
		t.Errorf("no condition restart in %+v", h.status().Health)
	}
}

// TestReloadOfBadConfig leaves everything as it was, and says what is wrong.
func TestReloadOfBadConfig(t *testing.T) {
	t.Parallel()
	first := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first))
	for text, want := range map[string]string{
		"listen: {sockt: x}\n" + noLocal:                          "nearside.yaml:1:10: listen.sockt: unknown key",
		noLocal + "\ncache: {fresh: 2}":                           "nearside.yaml:2:9: cache.fresh: ",
		noLocal + "\npolicy: nowhere.yaml":                        "nowhere.yaml",
		noLocal + "\nlisten: {http: 0.0.0.0:80}\n":                "nearside.yaml:2:10: listen.http: ",
		noLocal + "\npolicy: policy.yaml\ncloud: {targets: []}\n": "policy.yaml:1:",
		"\n": "the config file is empty, and was not: ",
	} {
		h.write("policy.yaml", "nonsense: true\n")
		h.write("nearside.yaml", text)
		_, bad, code := h.run("config", "reload")
		if code != shell.ExitUsage || !strings.Contains(bad, want) {
			t.Errorf("got exit %d and %q, want %d and %q", code, bad, shell.ExitUsage, want)
		}
		if c, ok := h.finds("config", want); !ok || c.Severity != "warn" || c.Hint == "" {
			t.Errorf("no condition config with %q in %+v", want, h.status().Health)
		}
		if r := h.ask(inCloud("still there")); r.target() != "cloud/first" {
			t.Errorf("got %v, want an answer of cloud/first", r)
		}
	}
	if err := os.Remove(filepath.Join(h.dir, "nearside.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, bad, code := h.run("--socket", h.socket, "config", "reload"); code != shell.ExitUsage || !strings.Contains(bad, "nearside.yaml") {
		t.Errorf("without a file: got exit %d and %q", code, bad)
	}
	h.configure(1, noLocal, clouds(first))
	h.reload()
	if c, ok := h.finds("config", ""); ok {
		t.Errorf("a good reload left %+v", c)
	}
}

// TestReloadKeepsPolicy has a reload come while an ask is under way.
func TestReloadKeepsPolicy(t *testing.T) {
	t.Parallel()
	first := newCloud(t, fake.Options{})
	h := unstarted(t)
	h.configure(1, noLocal, clouds(first))
	h.start()
	set(t, first, fake.Fault{Kind: fake.Latency, MS: 2000})
	got := make(chan *reply)
	go func() { got <- h.ask(inCloud("slow")) }()
	until(t, "the ask is at the cloud", patience, func() bool { return first.State().InFlight == 1 })
	h.configure(2, noLocal, clouds(first))
	h.reload()
	r := <-got
	if p := r.header.Get("x-nearside-policy"); !strings.HasPrefix(p, "1@") {
		t.Errorf("got policy %s for an ask that began with version 1", p)
	}
	if rec := h.record(r); !strings.HasPrefix(rec.Policy, "1@") {
		t.Errorf("recorded with policy %s, want version 1", rec.Policy)
	}
	if p := h.ask(inCloud("later")).header.Get("x-nearside-policy"); !strings.HasPrefix(p, "2@") {
		t.Errorf("got policy %s for a later ask, want version 2", p)
	}
}

// TestFloodOfReloads swaps policy and targets as fast as it can while streams
// run and asks come: every stream ends whole and every ask is answered.
func TestFloodOfReloads(t *testing.T) {
	t.Parallel()
	first := newCloud(t, fake.Options{TokensPerSecond: 20, Words: 40})
	second := newCloud(t, fake.Options{})
	h := unstarted(t)
	sets := []string{clouds(first), clouds(first, second), "cloud:\n  targets:\n" + target("second", second)}
	h.configure(1, noLocal, sets[0])
	h.start()
	var streams, asks sync.WaitGroup
	for i := range 4 {
		streams.Go(func() {
			r := h.ask(inCloud(fmt.Sprint("stream ", i)).with("stream", true))
			if r.status != http.StatusOK || !r.done || r.finish != "stop" {
				t.Errorf("stream %d: got %v, want it whole", i, r)
			}
		})
	}
	until(t, "the streams run", patience, func() bool { return first.State().InFlight == 4 })
	over, stop := context.WithCancel(t.Context())
	for i := range 2 {
		asks.Go(func() {
			for n := 0; over.Err() == nil; n++ {
				r := h.ask(inCloud(fmt.Sprint("ask ", i, n)).headed("x-nearside-deadline-ms", "20000"))
				if r.status != http.StatusOK {
					t.Errorf("ask %d of %d: got %v", n, i, r)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { streams.Wait(); close(ended) }()
	reloads := h.flood(sets, ended)
	stop()
	asks.Wait()
	if reloads < 20 {
		t.Errorf("only %d reloads while the streams ran", reloads)
	}
}

// flood changes the config and has it reloaded until the channel closes.
func (h *house) flood(sets []string, over <-chan struct{}) (n int) {
	for ; ; n++ {
		select {
		case <-over:
			return n
		default:
		}
		h.configure(1+n, noLocal, sets[n%len(sets)])
		if n%2 == 0 {
			_ = h.cmd.Process.Signal(syscall.SIGHUP)
		}
		resp, err := h.http.Post("http://localhost/v1/config/reload", "", nil)
		if err != nil {
			h.t.Errorf("reload: %v", err)
			return n
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			h.t.Errorf("reload %d: got %s", n, resp.Status)
		}
	}
}

// TestCloudSwitch: the device's own switch is in force with a reload, and then
// no cloud target is asked, not by its name either.
func TestCloudSwitch(t *testing.T) {
	t.Parallel()
	far := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(far))
	if r := h.ask(inCloud("before")); r.target() != "cloud/first" {
		t.Fatalf("got %v, want an answer of cloud/first", r)
	}
	h.write("nearside.yaml", noLocal+"\n"+strings.Replace(clouds(far), "cloud:\n", "cloud:\n  disabled: true\n", 1))
	if r := h.reload(); !slices.Equal(r.Changed, []string{"cloud.disabled"}) {
		t.Errorf("changed: got %v, want cloud.disabled", r.Changed)
	}
	for _, a := range []ask{inCloud("x"), {text: "y", fields: map[string]any{"model": "cloud/first"}}, {text: "z"}} {
		if r := h.ask(a); r.status != http.StatusServiceUnavailable {
			t.Errorf("%v: got %v, want a refusal", a, r)
		}
	}
	if s := h.target("cloud/first"); s.Usable || s.Why == nil || *s.Why != "the cloud is switched off in the config" {
		t.Errorf("status: got %+v", s)
	}
	if got := far.State().Calls[chatPath]; got != 1 {
		t.Errorf("cloud/first was called %d times, want the once before", got)
	}
	h.write("nearside.yaml", noLocal+"\n"+clouds(far))
	h.reload()
	if r := h.ask(inCloud("after")); r.target() != "cloud/first" {
		t.Errorf("switched on again: got %v, want an answer of cloud/first", r)
	}
}
