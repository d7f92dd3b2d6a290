package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asks are four: every other one only the cloud gets right, the rest both do.
func asks(scores ...float64) []routed {
	all := []routed{{near: false, far: true}, {near: true, far: true}, {near: false, far: true}, {near: true, far: true}}
	for i := range all {
		all[i].score = scores[i]
	}
	return all
}

func TestCurve(t *testing.T) {
	for _, c := range []struct {
		name            string
		scores          []float64
		apgr, half, all float64
	}{
		{"best", []float64{4, 2, 3, 1}, 0.75, 25, 50},
		{"worst", []float64{1, 3, 2, 4}, 0.25, 75, 100},
		{"all alike", []float64{1, 1, 1, 1}, 0.5, 50, 100},
		{"tied in pairs", []float64{2, 2, 1, 1}, 0.5, 50, 100},
	} {
		got := curveOf(asks(c.scores...))
		if got.apgr() != c.apgr || got.cpt(0.5) != c.half || got.cpt(1) != c.all {
			t.Errorf("%s: apgr %v, cpt50 %v, cpt100 %v; want %v", c.name, got.apgr(), got.cpt(0.5), got.cpt(1), c)
		}
	}
}

func TestECE(t *testing.T) {
	var right, half []foretold
	for i := range 100 {
		right = append(right, foretold{id: i, p: float64(i / 10), right: i/10 > 0})
		half = append(half, foretold{id: i, p: 0.5, right: i%2 == 0})
	}
	for i := range right {
		right[i].p = math.Min(1, right[i].p)
	}
	if got := ece(reliability(right)); got != 0 {
		t.Errorf("chances that come true: %v", got)
	}
	if got := ece(reliability(half)); got > 1e-12 {
		t.Errorf("halves: %v", got)
	}
	for i := range half {
		half[i].p = 0.8
	}
	if got := ece(reliability(half)); math.Abs(got-0.3) > 1e-12 {
		t.Errorf("0.3 too sure: %v", got)
	}
}

func TestNU(t *testing.T) {
	if got := nu(asks(1, -1, 1, -1)); math.Abs(got-1) > 1e-12 {
		t.Errorf("an oracle reaches %v", got)
	}
	if got := nu(asks(1, 1, 1, 1)); math.Abs(got) > 1e-12 {
		t.Errorf("always sending is %v", got)
	}
	if got := nu(asks(-1, 1, -1, 1)); got >= 0 {
		t.Errorf("the contrary of an oracle is %v", got)
	}
}

// TestRun measures a small folder of the same shape, so that counts come from
// the files.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "routellm-mmlu", "mmlu.jsonl.gz"), 200, func(i int) any {
		return compared{Prompt: new(prompt(i)), Weak: new(i%2 == 0), Strong: new(true)}
	})
	for _, half := range []string{"train", "test"} {
		write(t, filepath.Join(dir, "mmlu-logprobs", half+".jsonl.gz"), 150, func(i int) any {
			sure := -float64(i%10) / 5
			right := answer{Correct: new(i%10 < 5), Logconf: &sure}
			return answered{ID: &i, Prompt: prompt(i), Models: map[string]answer{near3b: right, near8b: right, far: {Correct: new(true)}}}
		})
	}
	var out bytes.Buffer
	s := &sheet{out: &out, notes: &out, asJSON: true, figures: map[string]float64{}}
	for _, folder := range []string{"routellm-mmlu", "mmlu-logprobs"} {
		if err := run(dir, folder, s); err != nil {
			t.Fatal(err)
		}
	}
	for name, least := range map[string]float64{"routellm_mmlu_apgr": 0.74, "mmlu3b_apgr": 0.74, "mmlu3b_nu": 0.85} {
		if got := s.figures[name]; got < least {
			t.Errorf("%s is %v, want %v at least", name, got, least)
		}
	}
	if got := s.figures["mmlu3b_ece"]; got > 0.15 {
		t.Errorf("mmlu3b_ece is %v", got)
	}
}

// prompt is hard for the device when it is odd.
func prompt(i int) string { return []string{"lamp window door", "integral theorem lemma"}[i%2] }

func write(t *testing.T, file string, n int, row func(int) any) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for i := range n {
		if err := json.NewEncoder(z).Encode(row(i)); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	os.MkdirAll(filepath.Dir(file), 0o755)
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "routellm-mmlu"), 0o755)
	os.WriteFile(filepath.Join(dir, "routellm-mmlu", "mmlu.jsonl.gz"), []byte("no gzip at all"), 0o644)
	for _, c := range []struct{ data, only, want string }{
		{filepath.Join(dir, "none"), "", "there is no data in"},
		{dir, "other", `no part reads "other": it must be one of routellm-mmlu`},
		{dir, "routellm-mmlu", "gzip: invalid header"},
		{dir, "mmlu-logprobs", "no such file"},
	} {
		err := run(c.data, c.only, &sheet{out: new(bytes.Buffer), notes: new(bytes.Buffer), figures: map[string]float64{}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", fmt.Sprint(c), err, c.want)
		}
	}
}
