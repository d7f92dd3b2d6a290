package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
	"unicode/utf8"

	"nearside/policy/gate"
)

// intended is a text and its intent.
type intended [2]string

// clinc measures the scope gate. It is made of the splits train, val and
// oos_val, and nothing about it is chosen by the splits it is measured on.
func clinc(dir string, s *sheet) error {
	splits, err := readSplits(filepath.Join(dir, "data_full.json"))
	if err != nil {
		return err
	}
	start := time.Now()
	if len(splits["oos_val"]) == 0 {
		s.note("clinc: split oos_val is empty; the gate learns what is outside by leaving intents out")
	}
	made, report, err := gate.Train(examples(splits), gate.Options{Seed: 1})
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	s.note("clinc: %d intents of %d examples in %s; by examples it had not seen: accuracy %.4f, auroc %.4f",
		report.Intents, report.Examples, time.Since(start).Round(time.Second), report.Accuracy, report.AUROC)
	g, megabytes, err := reread(made)
	if err != nil {
		return err
	}
	t := scopes{verdicts(g, splits["test"]), verdicts(g, splits["oos_test"])}
	s.put("clinc_inscope_acc", t.kept())
	s.put("clinc_auroc", t.ranked())
	s.put("gate_us", microseconds(g, splits["test"]))
	s.put("gate_mb", megabytes)
	s.note("clinc: intent right, in scope %.4f; by its own count the gate takes %.2f MB", rightAt(t.inside, -1), float64(g.Bytes())/1e6)
	for _, f := range []struct {
		name   string
		figure func(scopes) float64
	}{{"clinc_inscope_acc", scopes.kept}, {"clinc_auroc", scopes.ranked}} {
		low, high := t.interval(f.figure)
		s.note("%s: 95 of 100 such tests would be between %.4f and %.4f", f.name, low, high)
	}
	return s.draw("scope", t.chart().svg())
}

// readSplits reads the splits the figures need; a file may hold more. A gate
// can be made without val and oos_val.
func readSplits(file string) (map[string][]intended, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read splits: %w", err)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: is not UTF-8", file)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte(mark)), &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	splits := map[string][]intended{}
	for _, name := range []string{"train", "val", "oos_val", "test", "oos_test"} {
		if splits[name], err = readSplit(all[name]); err != nil {
			return nil, fmt.Errorf("%s: %s%w", file, name, err)
		}
		if len(splits[name]) == 0 && name != "val" && name != "oos_val" {
			return nil, fmt.Errorf("%s: split %s is missing or empty", file, name)
		}
	}
	return splits, nil
}

// readSplit reads the rows of one split, none when it is not there. Its error
// begins with the row.
func readSplit(text json.RawMessage) ([]intended, error) {
	var rows []json.RawMessage
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	var out []intended
	for i, r := range rows {
		var pair []string
		if err := json.Unmarshal(r, &pair); err != nil || len(pair) != 2 || pair[0] == "" || pair[1] == "" {
			return nil, fmt.Errorf("[%d]: is %.80s; it must be [\"text\", \"intent\"]", i, r)
		}
		out = append(out, intended(pair))
	}
	return out, nil
}

// examples are the splits as the gate learns them. What is outside has the
// gate's label for it, however the data calls it.
func examples(splits map[string][]intended) []gate.Example {
	var out []gate.Example
	for _, e := range slices.Concat(splits["train"], splits["val"]) {
		out = append(out, gate.Example{Text: e[0], Label: e[1]})
	}
	for _, e := range splits["oos_val"] {
		out = append(out, gate.Example{Text: e[0], Label: gate.Outside})
	}
	return out
}

// reread is the gate as it comes out of its file, and the megabytes by which
// the heap grew for it.
func reread(made *gate.Gate) (*gate.Gate, float64, error) {
	file, err := made.Encode()
	if err != nil {
		return nil, 0, err
	}
	before := heap()
	g, err := gate.Read(file)
	if err != nil {
		return nil, 0, err
	}
	grown := float64(heap()) - float64(before)
	runtime.KeepAlive(file)
	runtime.KeepAlive(made)
	return g, grown / 1e6, nil
}

// heap is what lives after a full collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// scoped is one verdict: how sure it was, and whether it was right.
type scoped struct {
	p     float64
	right bool
}

// scopes are the verdicts on a test.
type scopes struct{ inside, outside []scoped }

// rejected is the share of what is outside that the threshold keeps out.
const rejected = 0.8

// kept is the share in scope that is accepted and right at that threshold.
func (t scopes) kept() float64 { return rightAt(t.inside, rejecting(t.outside, rejected)) }

// interval is that of a figure, both sides drawn again.
func (t scopes) interval(figure func(scopes) float64) (low, high float64) {
	n := len(t.inside)
	return interval(n+len(t.outside), func(pick []int) float64 {
		var again scopes
		for _, i := range pick {
			if i < n {
				again.inside = append(again.inside, t.inside[i])
			} else {
				again.outside = append(again.outside, t.outside[i-n])
			}
		}
		if len(again.inside) == 0 || len(again.outside) == 0 {
			return math.NaN()
		}
		return figure(again)
	})
}

// chart shows what each threshold accepts rightly against what it keeps out.
func (t scopes) chart() chart {
	c := chart{
		title: "Scope gate: what a threshold keeps out, and what it accepts", x: "share of what is outside that is kept out",
		y: "share of what is in scope", low: spot{0, 0.5}, high: spot{1, 1},
	}
	accepted, right := line{name: "accepted", colour: grey}, line{name: "accepted and right", colour: blue}
	for i := range grain + 1 {
		share := float64(i) / grain
		at := rejecting(t.outside, share)
		if i == 0 {
			at = -1
		}
		right.spots = append(right.spots, spot{share, max(rightAt(t.inside, at), c.low.y)})
		accepted.spots = append(accepted.spots, spot{share, max(acceptedAt(t.inside, at), c.low.y)})
	}
	c.lines = []line{accepted, right}
	return c
}

// acceptedAt is the share of verdicts above the threshold.
func acceptedAt(list []scoped, threshold float64) float64 {
	n := 0
	for _, v := range list {
		if v.p > threshold {
			n++
		}
	}
	return float64(n) / float64(len(list))
}

func verdicts(g *gate.Gate, list []intended) []scoped {
	var out []scoped
	for _, e := range list {
		v := g.Classify(e[0])
		out = append(out, scoped{v.Confidence, v.Intent == e[1]})
	}
	return out
}

// rejecting is the threshold at or below which the share of verdicts lies.
func rejecting(outside []scoped, share float64) float64 {
	sorted := slices.Sorted(confidences(outside))
	return sorted[max(0, int(share*float64(len(sorted))+0.5)-1)]
}

// rightAt is the share of verdicts above the threshold and right.
func rightAt(inside []scoped, threshold float64) float64 {
	n := 0
	for _, v := range inside {
		if v.p > threshold && v.right {
			n++
		}
	}
	return float64(n) / float64(len(inside))
}

func confidences(list []scoped) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for _, v := range list {
			if !yield(v.p) {
				return
			}
		}
	}
}

// ranked is the chance that an ask in scope gets a higher confidence than one
// that is not; equal ones count half.
func (t scopes) ranked() float64 {
	inside, less := t.inside, slices.Sorted(confidences(t.outside))
	sum := 0.0
	for _, v := range inside {
		below, _ := slices.BinarySearch(less, v.p)
		same := below
		for same < len(less) && less[same] == v.p {
			same++
		}
		sum += float64(below+same) / 2
	}
	return sum / float64(len(inside)) / float64(len(less))
}

// microseconds is the median over rounds of what one of the texts takes.
func microseconds(g *gate.Gate, list []intended) float64 {
	list = list[:min(500, len(list))]
	var rounds []float64
	for range 21 {
		start := time.Now()
		for _, e := range list {
			g.Classify(e[0])
		}
		rounds = append(rounds, float64(time.Since(start).Nanoseconds())/1000/float64(len(list)))
	}
	slices.Sort(rounds)
	return rounds[len(rounds)/2]
}
