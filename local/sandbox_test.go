package local_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"nearside/agent/openai/fault"
	"nearside/local"
	"nearside/local/sandbox"
)

// TestClosedIn looks at an engine from outside: what is not in force is told.
func TestClosedIn(t *testing.T) {
	l := run(t, options(t, "ok"))
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	s := l.Status()[0]
	told := map[string]bool{}
	for _, g := range s.Gaps {
		told[g.What] = true
	}
	of := func(name string) string {
		text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.PID), name))
		return string(text)
	}
	ns := func(pid string) string { name, _ := os.Readlink("/proc/" + pid + "/ns/net"); return name }
	f := func(what string, inForce bool) {
		t.Helper()
		if inForce == told[what] {
			t.Errorf("%s: in force %v, told as missing %v (%v)", what, inForce, told[what], s.Gaps)
		}
	}
	f(sandbox.Network, ns(strconv.Itoa(s.PID)) != ns("self") && strings.Count(of("net/route"), "\n") <= 1)
	f(sandbox.Memory, strings.TrimSpace(of("oom_score_adj")) == "800")
	f(sandbox.Powers, strings.Contains(of("status"), "NoNewPrivs:\t1"))
	if !strings.Contains(of("limits"), "Max data size") || strings.Contains(of("limits"), "Max data size             unlimited") {
		t.Errorf("memory is not bounded: %s", of("limits"))
	}
}

// TestFilesOfOthersAreClosed has the engine's wrapper try to read a file that
// no engine needs, and one that the config gives.
func TestFilesOfOthersAreClosed(t *testing.T) {
	elsewhere := t.TempDir()
	given, secret := filepath.Join(elsewhere, "given", "f"), filepath.Join(elsewhere, "secret")
	if err := os.Mkdir(filepath.Dir(given), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{given, secret} {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := options(t, "ok")
	seen := filepath.Join(o.Dir, "seen")
	o.Reads = []string{filepath.Dir(given)}
	// The names are put together by the shell: what a command names it may read.
	script := `d=$(printf %s "$1" | tr ^ /); for f in given/f secret; do x=; read x <"$d/$f"; echo "$x"; done >"$0" 2>/dev/null; shift; exec "$@"`
	o.Command = append([]string{"sh", "-c", script, seen, strings.ReplaceAll(elsewhere, "/", "^")}, o.Command...)
	l := run(t, o)
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	want := "text\ntext\n"
	closed := true
	for _, g := range l.Status()[0].Gaps {
		closed = closed && g.What != sandbox.Files
	}
	if closed {
		want = "text\n\n"
	}
	if got, err := os.ReadFile(seen); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q with files closed %v", got, err, want, closed)
	}
}

// TestMemoryShort refuses a start while memory is short, which is no crash,
// and starts when there is some.
func TestMemoryShort(t *testing.T) {
	o := options(t, "ok")
	var free atomic.Uint64
	free.Store(10 << 20)
	o.Memory = func() (uint64, bool) { return free.Load(), true }
	l := run(t, o)
	for range 4 {
		if _, _, err := ask(t, l, question, patience); !errors.Is(err, fault.ErrDown) {
			t.Fatalf("got %v", err)
		}
		if s := l.Status()[0]; s.State != local.Short || s.Usable || s.PID != 0 || !strings.HasPrefix(s.Why, "memory: 10 MiB are available") {
			t.Fatalf("got %+v", s)
		}
	}
	free.Store(100 << 20)
	if _, _, err := ask(t, run(t, o), question, patience); err != nil {
		t.Error(err)
	}
}

// TestBoundIsNamed has an engine that cannot allocate: the bound is in the
// reason, and the daemon's own memory is not bounded.
func TestBoundIsNamed(t *testing.T) {
	o := options(t, "greedy")
	o.Bound = 1 << 30
	l := run(t, o)
	_, _, err := ask(t, l, question, patience)
	if !errors.Is(err, fault.ErrDown) || !strings.Contains(err.Error(), "it may have 1024 MiB of memory: see local.engine.memory") {
		t.Errorf("got %v", err)
	}
	if limits, _ := os.ReadFile("/proc/self/limits"); bytes.Contains(limits, []byte(strconv.Itoa(1<<30))) {
		t.Errorf("the daemon is bounded: %s", limits)
	}
}
