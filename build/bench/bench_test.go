package main

import (
	"strings"
	"testing"
	"time"
)

func TestSheet(t *testing.T) {
	f := func(asJSON bool, want string) {
		t.Helper()
		var out strings.Builder
		s := &sheet{out: &out, asJSON: asJSON}
		s.add("start_ms", 5.78649, "ms")
		s.add("rps_c32", 2765, "1/s")
		if err := s.end(); err != nil || out.String() != want {
			t.Errorf("got %q, %v, want %q", out.String(), err, want)
		}
	}
	f(false, "bench start_ms 5.786 ms\nbench rps_c32 2765 1/s\n")
	f(true, `[{"name":"start_ms","value":5.786,"unit":"ms"},{"name":"rps_c32","value":2765,"unit":"1/s"}]`+"\n")
}

func TestQuantile(t *testing.T) {
	f := func(q float64, want time.Duration, all ...time.Duration) {
		t.Helper()
		if got := quantile(all, q); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	f(0.5, 0)
	f(0.5, 7, 7)
	f(0.5, 3, 5, 1, 3, 2, 4)
	f(0.99, 5, 5, 1, 3, 2, 4)
	f(1, 5, 5, 1, 3, 2, 4)
}

func TestDecideHasRulesThatApply(t *testing.T) {
	var out strings.Builder
	if err := deciding(t.Context(), &lab{sheet: &sheet{out: &out}}); err != nil || strings.Count(out.String(), "bench decide_") != 2 {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestAPIOf(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		got, err := apiOf(line, nil)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", line, got, err)
		}
	}
	f("api     http://127.0.0.1:5000/v1\n", "http://127.0.0.1:5000")
	f("api     http://127.0.0.1:5000\n", "")
	f("control http://127.0.0.1:5000/v1\n", "")
}
