package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
)

// refusesToStart starts a daemon that must not start, and returns the one
// sentence in which it says why.
func (h *house) refusesToStart(args ...string) string {
	h.t.Helper()
	cmd := h.command(append([]string{"serve", "--state", filepath.Join(h.dir, "state")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		h.t.Fatalf("serve %v: %v, want exit code 1: %s", args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// tells checks that a sentence has all the words.
func tells(t testing.TB, sentence string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(sentence, w) {
			t.Errorf("%q does not say %q", sentence, w)
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := unstarted(t, noLocal)
	tells(t, h.refusesToStart("--http", l.Addr().String()), l.Addr().String(), "is taken", "--http")
	if _, err := os.Lstat(h.socket); err == nil {
		t.Error("the socket stays behind")
	}
}

func TestSocketInUse(t *testing.T) {
	h := newHouse(t, noLocal)
	tells(t, h.refusesToStart("--http", ""), h.socket, "another daemon", "--socket")
	other := filepath.Join(h.dir, "other")
	tells(t, h.refusesToStart("--http", "", "--socket", other), "another daemon", filepath.Join(h.dir, "state"), "--state")
	if got := string(h.get("/healthz")); got != "ok\n" {
		t.Errorf("the first daemon says %q", got)
	}
}

func TestSocketOfTheDead(t *testing.T) {
	h := unstarted(t, noLocal)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	h.start()
	if got := string(h.get("/healthz")); got != "ok\n" {
		t.Errorf("healthz says %q", got)
	}
}

func TestSocketIsAFile(t *testing.T) {
	h := unstarted(t, noLocal)
	h.write("s", "somebody's file")
	tells(t, h.refusesToStart("--http", ""), h.socket, "not a socket", "--socket")
	if text, err := os.ReadFile(h.socket); err != nil || string(text) != "somebody's file" {
		t.Errorf("the file says %q, %v", text, err)
	}
	tells(t, h.refusesToStart("--http", "", "--socket", filepath.Join(h.socket, "x")), h.socket, "not a folder", "--socket")
}

// TestStateNotWritable: what is remembered is lost, what is answered is not.
func TestStateNotWritable(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := unstarted(t, noLocal, clouds(cloud))
	h.write("state", "a file where the folder should be")
	h.start()
	until(t, "the store gives up", patience, func() bool { return h.status().Store.Cache.State == "memory" })
	if r := h.ask(ask{text: "Are you there?"}); r.route() != "cloud" {
		t.Errorf("got %v", r)
	}
	c := h.condition("store")
	tells(t, c.Message, "nothing is remembered", filepath.Join(h.dir, "state"))
	tells(t, c.Hint, "--state")
	tells(t, h.log.String(), "nothing will be remembered", "--state")
}

// TestStateOpenToOthers: it is said, and not changed.
func TestStateOpenToOthers(t *testing.T) {
	h := unstarted(t, noLocal)
	state := filepath.Join(h.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0o755); err != nil {
		t.Fatal(err)
	}
	h.start()
	c := h.condition("state_folder")
	tells(t, c.Message, state, "0755")
	tells(t, c.Hint, "0700", "--state")
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "ok" })
	tells(t, h.log.String(), "open to others", "0755")
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// TestDamagedStore: what was moved aside is named.
func TestDamagedStore(t *testing.T) {
	h := unstarted(t, noLocal)
	if err := os.Mkdir(filepath.Join(h.dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.write("state/cache.db", strings.Repeat("this is no database ", 500))
	h.start()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "quarantined" })
	c := h.condition("store_quarantined")
	tells(t, c.Message, filepath.Join(h.dir, "state", "cache.db.corrupt-"))
	_, moved, _ := strings.Cut(c.Message, "what it was is ")
	if _, err := os.Stat(moved); err != nil {
		t.Error(err)
	}
}

// TestFullStore: a disk without room for the store's reserve is told of.
func TestFullStore(t *testing.T) {
	h := unstarted(t, noLocal)
	if err := os.MkdirAll(filepath.Join(h.dir, "state", "reserve", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.start()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "full" })
	c := h.condition("store_full")
	tells(t, c.Message, filepath.Join(h.dir, "state", "queue.db"), "no room")
	tells(t, c.Hint, "free space")
}

// TestKeepsNothing: with stale 0 no answer is on the disk.
func TestKeepsNothing(t *testing.T) {
	h := newHouse(t, noLocal, "cache: {fresh: 0s, stale: 0s}", clouds(newCloud(t, fake.Options{})))
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "ok" })
	a := inCloud("say it again").with("temperature", 0)
	for range 2 {
		if r := h.ask(a); r.route() != "cloud" {
			t.Errorf("got %v", r)
		}
	}
	until(t, "the decisions are kept", patience, func() bool { return h.status().Store.Queue.Rows == 2 })
	if got := h.status().Store.Cache.Rows; got != 0 {
		t.Errorf("%d answers are kept", got)
	}
}

// TestNoDumps: neither the daemon nor its engine may leave a core dump.
func TestNoDumps(t *testing.T) {
	h := newHouse(t)
	h.answers(t)
	for _, pid := range []int{h.cmd.Process.Pid, h.engine()} {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
			t.Errorf("process %d: %v\n%s", pid, err, limits)
		}
	}
}

// TestBrokenInstall: a fault in what is installed is shown, and the cloud answers.
func TestBrokenInstall(t *testing.T) {
	h := unstarted(t, clouds(newCloud(t, fake.Options{})))
	if err := os.Mkdir(filepath.Join(h.dir, "nearside"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.write("nearside/installed.json", `{"models": [{"name": "m", "file": "/m", "sha256": "1234"}]}`)
	t.Setenv("XDG_CACHE_HOME", h.dir)
	h.start()
	if r := h.ask(ask{text: "Are you there?"}); r.route() != "cloud" {
		t.Errorf("got %v", r)
	}
	c := h.condition("config")
	tells(t, c.Message, filepath.Join(h.dir, "nearside", "installed.json"), "models[0].sha256")
	tells(t, c.Hint, "run make setup again")
}

// condition is one entry of the status's health.
func (h *house) condition(name string) (found status.Condition) {
	h.t.Helper()
	until(h.t, "there is a condition "+name, patience, func() bool {
		all := h.status().Health
		i := slices.IndexFunc(all, func(c status.Condition) bool { return c.Name == name })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

const garbage = "this is no model"

// TestBadLocal: an engine or a model that cannot be used is named with what to
// do, is never loaded, and the cloud answers.
func TestBadLocal(t *testing.T) {
	sum := sha256.Sum256([]byte(garbage))
	right := hex.EncodeToString(sum[:])
	wrong := strings.Repeat("0", 64)
	const old = "#!/bin/sh\necho 'version: 9999 (abcdef)'\n"
	for _, c := range []struct {
		name, local string
		says        []string
	}{
		{"no engine", `{engine: {command: [./missing]}, models: [{name: m, file: ./garbage}]}`, []string{"/missing", "cannot be run", "install llama-server or run make setup"}},
		{"no engine on the path", `{engine: {command: [no-such-llama-server]}, models: [{name: m, file: ./garbage}]}`, []string{"no-such-llama-server", "install llama-server or run make setup"}},
		{"engine is not a program", `{engine: {command: [./garbage]}, models: [{name: m, file: ./garbage}]}`, []string{"/garbage", "cannot be run"}},
		{"engine too old", `{engine: {command: [./old]}, models: [{name: m, file: ./garbage}]}`, []string{"/old", "9999", "11393", "CVE-2026-107183", "install a newer"}},
		{"no model", `{models: [{name: m, file: ./nothing}]}`, []string{"/nothing is not there", "run make setup, or correct local.models"}},
		{"wrong checksum", `{models: [{name: m, file: ./garbage, sha256: "` + wrong + `"}]}`, []string{"/garbage", right[:12], wrong[:12], "not loaded", "Restore the file"}},
		{"not a model", `{models: [{name: m, file: ./garbage, sha256: "` + right + `"}]}`, []string{"ended while loading", "/garbage could not be served"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := unstarted(t, "local: "+c.local, clouds(newCloud(t, fake.Options{})))
			h.write("garbage", garbage)
			h.write("old", old)
			if err := os.Chmod(filepath.Join(h.dir, "old"), 0o700); err != nil {
				t.Fatal(err)
			}
			h.start()
			h.doesWithout(t, c.says)
		})
	}
}

// doesWithout asks a daemon whose local model is no good.
func (h *house) doesWithout(t *testing.T, says []string) {
	t.Helper()
	until(t, "the local target is known to be no good", patience, func() bool {
		r := h.ask(ask{text: "What is the capital of France?"})
		if r.status != 200 || r.route() != "cloud" {
			t.Fatalf("got %v", r)
		}
		return h.target("local/m").Why != nil
	})
	c := h.condition("engine")
	tells(t, c.Message, says...)
	if c.Hint == "" {
		t.Error("the condition says not what to do")
	}
	if r := h.ask(ask{text: "Where did I park?"}.headed("x-nearside-privacy", "private")); r.status != 422 || r.kind != "policy_blocked" {
		t.Errorf("private: %v", r)
	}
	if s := h.status(); !s.Ready || s.Engine.PID != nil {
		t.Errorf("ready %v, engine %+v", s.Ready, s.Engine)
	}
}
