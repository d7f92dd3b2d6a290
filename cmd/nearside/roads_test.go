package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"nearside/agent/decision"
	"nearside/cmd/fakecloud/fake"
)

// asked is a line of a file of questions.
type asked struct {
	Kind     string // simple, hard
	Question string
	Answer   string // a regular expression a right answer matches
	Intent   string // of a command for a car
}

func questions(t testing.TB, file string) []asked {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []asked
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var q asked
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
	return all
}

// record is the decision behind a reply.
func (h *house) record(r *reply) decision.Record {
	h.t.Helper()
	var rec decision.Record
	id := r.header.Get("x-nearside-decision")
	until(h.t, "the decision is there", patience, func() bool { return json.Unmarshal(h.get("/v1/decisions/"+id), &rec) == nil && rec.ID == id })
	return rec
}

// TestRoads asks simple and hard questions of the real model with a fake cloud
// behind it. Run it with -v for the table of docs/ARCHITECTURE.md.
func TestRoads(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{Name: "first"})
	h := newHouse(t, clouds(cloud))
	h.answers(t) // an engine that takes long to start, on a busy machine, is not waited for
	escalated := map[string]int{}
	table := []string{"| question | route | confidence | reason | ms |", "| --- | --- | --- | --- | --- |"}
	for _, q := range questions(t, "roads.jsonl") {
		start := time.Now()
		r := h.ask(ask{text: q.Question})
		took := time.Since(start)
		if r.status != 200 {
			t.Fatalf("%s: %v", q.Question, r)
		}
		if r.route() == "cloud" {
			escalated[q.Kind]++
		}
		sure := "-"
		if c := h.record(r).Outcome.Confidence; c != nil {
			sure = fmt.Sprintf("%.2f", *c)
		}
		table = append(table, fmt.Sprintf("| %s | %s | %s | %s | %d |", q.Question, r.route(), sure, r.header.Get("x-nearside-reason"), took.Milliseconds()))
	}
	t.Logf("%d of 20 simple and %d of 20 hard questions went to the cloud\n%s", escalated["simple"], escalated["hard"], strings.Join(table, "\n"))
	if escalated["hard"] < escalated["simple"]+5 {
		t.Errorf("hard questions should escalate more: %v", escalated)
	}
	calls := cloud.State().Calls[chatPath]
	for _, q := range questions(t, "roads.jsonl")[15:25] {
		for _, a := range []ask{ask{text: q.Question}.headed("x-nearside-mode", "local"), ask{text: q.Question}.headed("x-nearside-privacy", "private")} {
			if r := h.ask(a); r.route() != "local" {
				t.Errorf("%v: got %v", a, r)
			}
		}
	}
	if now := cloud.State().Calls[chatPath]; now != calls {
		t.Errorf("mode local and private asks reached the cloud %d times", now-calls)
	}
}

// BenchmarkThreshold measures what each threshold of confidence would keep on
// the device, with the real model: how many of 80 simple and 40 hard questions
// and how many of those rightly. Run it once, with -benchtime 1x and -v.
func BenchmarkThreshold(b *testing.B) {
	for b.Loop() {
		measureThreshold(b)
	}
}

type judged struct {
	hard, right bool
	sure        float64
}

func measureThreshold(b *testing.B) {
	h := newHouse(b)
	var all []judged
	for _, q := range questions(b, "questions.jsonl") {
		r := h.ask(ask{text: q.Question}.headed("x-nearside-mode", "local").headed("cache-control", "no-store"))
		c := h.record(r).Outcome.Confidence
		if c == nil {
			b.Fatalf("%s: no confidence", q.Question)
		}
		all = append(all, judged{q.Kind == "hard", regexp.MustCompile(q.Answer).MatchString(r.text), *c})
	}
	b.Logf("ranking of right answers (AUROC): %.2f", ranking(all))
	for _, at := range []float64{0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5} {
		var kept, right [2]int
		for _, j := range all {
			kind := 0
			if j.hard {
				kind = 1
			}
			if j.sure >= at {
				kept[kind]++
				if j.right {
					right[kind]++
				}
			}
		}
		b.Logf("at %.2f: keeps %d of 80 simple (%d right) and %d of 40 hard (%d right)", at, kept[0], right[0], kept[1], right[1])
	}
}

// ranking is the chance that a right answer is surer than a wrong one (AUROC).
func ranking(all []judged) float64 {
	won, pairs := 0.0, 0.0
	for _, right := range all {
		for _, wrong := range all {
			if !right.right || wrong.right {
				continue
			}
			pairs++
			switch {
			case right.sure > wrong.sure:
				won++
			case right.sure == wrong.sure:
				won += 0.5
			}
		}
	}
	return won / pairs
}
