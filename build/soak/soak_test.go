package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSoak is the short form of make soak.
func TestSoak(t *testing.T) {
	program := filepath.Join(t.TempDir(), "nearside")
	build := exec.Command("go", "build", "-trimpath", "-tags", "sqlite_omit_load_extension,osusergo,netgo", "-o", program, "./cmd/nearside")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	figures, err := run(t.Context(), plan{program: program, total: 2 * time.Minute, round: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report(&table, figures); err != nil {
		t.Errorf("%v\n%s", err, &table)
	}
}

func TestJudge(t *testing.T) {
	f := func(q question, r reply, wasKilled bool, want string) {
		t.Helper()
		if got := judge(q, r, wasKilled); got != want {
			t.Errorf("got %s for %+v, want %s", got, r, want)
		}
	}
	p, s, b, l := plain("a-1"), stream("a-1"), bad("a-1"), leaver("a-1")
	f(p, reply{status: 200, text: "it says a-1"}, false, answered)
	f(p, reply{status: 200, text: "it says a-2"}, false, wrong)
	f(p, reply{status: 503, failure: "down"}, false, lost)
	f(p, reply{status: 503}, false, wrong)
	f(p, reply{err: errors.New("reset")}, false, dropped)
	f(p, reply{err: errors.New("reset")}, true, killed)
	f(s, reply{status: 200, stream: true, text: "a-1", done: true}, false, answered)
	f(s, reply{status: 200, stream: true, text: "a"}, false, cut)
	f(s, reply{status: 200, stream: true, text: "a", failure: "upstream_error"}, false, broken)
	f(s, reply{status: 200, stream: true, text: "a", done: true}, false, wrong)
	f(b, reply{status: 400, failure: "invalid_request_error"}, false, refused)
	f(b, reply{status: 200, text: "well"}, false, wrong)
	f(b, reply{status: 500, failure: "internal"}, false, wrong)
	f(l, reply{err: errors.New("gone")}, false, left)
	f(private(""), reply{status: 200, route: "cloud", text: "Paris"}, false, leaked)
	f(private(""), reply{status: 422, route: "none", failure: "policy_blocked"}, false, refused)
	f(local(""), reply{status: 200, route: "local", text: "It is Rome."}, false, wrong)
}

func TestGrowth(t *testing.T) {
	f := func(want float64, memory ...float64) {
		t.Helper()
		var all []sample
		for i, m := range memory {
			all = append(all, sample{at: time.Duration(i) * time.Second, memory: m})
		}
		got := growth(all, func(s sample) float64 { return s.memory })
		if got < want-0.01 || got > want+0.01 {
			t.Errorf("got %.3f for %v, want %.3f", got, memory, want)
		}
	}
	f(0)
	f(0, 5)
	f(0, 5, 5, 5)
	f(3, 5, 6, 7, 8)
	f(-3, 8, 7, 6, 5)
	f(0, 0, 2, 0, 2, 0, 2)           // noise
	f(0, 5, 5, 40, 5, 5, 5, 5, 40)   // floods, one of them last
	f(7, 5, 6, 41, 8, 9, 10, 11, 46) // floods of what leaks
}

// TestHungUp: what was measured of a daemon that leaks nothing, after floods at
// the end whose connections had not been looked at yet, is no leak. Two more
// in each round are one.
func TestHungUp(t *testing.T) {
	open := []float64{28, 27, 28, 52, 30, 25, 26, 25, 36, 30, 26, 28, 25, 46, 42, 42, 43, 42, 53}
	at := []int{71, 75, 79, 84, 88, 92, 94, 96, 101, 103, 104, 106, 108, 112, 113, 115, 117, 118, 121}
	f := func(each float64) float64 {
		all := make([]sample, len(open))
		for i := range all {
			all[i] = sample{at: time.Duration(at[i]) * time.Second, descriptors: open[i] + each*float64(i)}
		}
		return growth(all, func(s sample) float64 { return s.descriptors })
	}
	if got := f(0); got > mostDescriptors {
		t.Errorf("got %.1f, want no leak", got)
	}
	if got := f(2); got <= mostDescriptors {
		t.Errorf("two more in each round: got %.1f, want a leak", got)
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	good := figure{"left", 3, "asks", 1, 9}
	if err := report(&out, []figure{good}); err != nil || !strings.HasSuffix(out.String(), "\nsoak left 3.0 asks\n") {
		t.Errorf("got %q, %v", &out, err)
	}
	if err := report(&out, []figure{good, {"cut_silently", 1, "streams", 0, 0}}); err == nil || !strings.Contains(out.String(), "OUT OF BOUNDS") {
		t.Errorf("got %q, %v, want it to fail", &out, err)
	}
}
