package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"nearside/policy/calib"
	"nearside/policy/deferral"
)

// unknown stands for a log-probability that was not recorded.
const unknown = -10

// answered is an ask that several models answered.
type answered struct {
	ID     *int              `json:"id"`
	Prompt string            `json:"prompt"`
	Models map[string]answer `json:"models"`
}

type answer struct {
	Correct *bool    `json:"correct"`
	Logconf *float64 `json:"logconf"`
}

// check finds what a model that is compared did not answer.
func (r answered) check() error {
	if r.ID == nil {
		return errors.New("id: is missing")
	}
	for _, name := range []string{near3b, near8b, far} {
		a, there := r.Models[name]
		switch {
		case !there:
			return fmt.Errorf("models: has no answer of %s, only of %s", name, strings.Join(slices.Sorted(maps.Keys(r.Models)), ", "))
		case a.Correct == nil:
			return fmt.Errorf("models.%s.correct: is missing; it must be true or false", name)
		case a.Logconf != nil && !(*a.Logconf <= 0 && *a.Logconf >= -calib.MaxScore):
			return fmt.Errorf("models.%s.logconf: is %g; it must be a log-probability, 0 or less, or null", name, *a.Logconf)
		}
	}
	return nil
}

// sure is the log-probability of the answer.
func (a answer) sure() float64 {
	if a.Logconf == nil {
		return unknown
	}
	return *a.Logconf
}

// Models of the recording that are compared.
const (
	far    = "gpt-4o"
	near3b = "llama3.2-3b"
	near8b = "llama3.1-8b"
)

// halves are the training and test parts of a recording.
type halves struct{ train, test []answered }

// logprobs measures deferral by the local answer's confidence.
func logprobs(dir string, s *sheet) error {
	train, err := rows[answered](filepath.Join(dir, "train.jsonl.gz"))
	if err != nil {
		return err
	}
	test, err := rows[answered](filepath.Join(dir, "test.jsonl.gz"))
	if err != nil {
		return err
	}
	h := halves{train, test}
	if err := h.defer3b(s); err != nil {
		return err
	}
	return h.budgets(s)
}

// defer3b calibrates the smaller local model and routes the test by it.
func (h halves) defer3b(s *sheet) error {
	t, err := h.fit(near3b)
	if err != nil {
		return err
	}
	var asks []routed
	var told, raw []foretold
	for _, r := range h.test {
		a := r.Models[near3b]
		p, _ := t.Good("", a.sure())
		gain, _ := t.Gain("", a.sure())
		asks = append(asks, routed{id: *r.ID, score: gain, near: *a.Correct, far: *r.Models[far].Correct})
		told = append(told, foretold{id: *r.ID, p: p, right: *a.Correct})
		raw = append(raw, foretold{id: *r.ID, p: math.Exp(a.sure()), right: *a.Correct})
	}
	s.put("mmlu3b_apgr", curveOf(asks).apgr())
	s.put("mmlu3b_ece", ece(reliability(told)))
	s.put("mmlu3b_nu", nu(asks))
	s.note("mmlu3b raw confidence: ece %.3f", ece(reliability(raw)))
	noteIntervals(s, asks, told)
	h.noteText(s)
	never, always := rates(asks)
	return errors.Join(
		s.draw("confidence", routes("A 3B model and a large one: by the confidence of the answer", []curve{curveOf(asks)}, never, always).svg()),
		s.draw("reliability", diagram("Whether the 3B model's answer is right", reliability(raw), reliability(told)).svg()),
	)
}

// noteText tells whether the daemon would let text sway what it expects of the
// smaller model.
func (h halves) noteText(s *sheet) {
	var labels []deferral.Label
	for _, r := range h.train {
		labels = append(labels, deferral.Label{Text: r.Prompt, Gain: one(*r.Models[far].Correct) - one(*r.Models[near3b].Correct)})
	}
	m, err := deferral.Cross(labels[:min(len(labels), deferral.MaxLabels)])
	if err != nil {
		s.note("mmlu3b text: %v", err)
		return
	}
	s.note("mmlu3b text, %d labels: in force %t; explained %.3f +- %.3f of the gain's variance", len(labels), m.Better(), m.Explained, m.Error)
}

// noteIntervals tells how far the figures could lie from the truth.
func noteIntervals(s *sheet, asks []routed, told []foretold) {
	for _, f := range []struct {
		name   string
		figure func(pick []int) float64
	}{
		{"mmlu3b_apgr", func(pick []int) float64 { return curveOf(picked(asks, pick)).apgr() }},
		{"mmlu3b_ece", func(pick []int) float64 { return ece(reliability(picked(told, pick))) }},
		{"mmlu3b_nu", func(pick []int) float64 { return nu(picked(asks, pick)) }},
	} {
		low, high := interval(len(asks), f.figure)
		s.note("%s: 95 %% interval %.3f to %.3f", f.name, low, high)
	}
}

// rates are the shares of right answers when none and when all are sent.
func rates(asks []routed) (never, always float64) {
	for _, a := range asks {
		never += one(a.near) / float64(len(asks))
		always += one(a.far) / float64(len(asks))
	}
	return never, always
}

// fit makes the table of a local model.
func (h halves) fit(model string) (*calib.Table, error) {
	var labels []calib.Label
	for _, r := range h.train {
		a := r.Models[model]
		labels = append(labels, calib.Label{Score: a.sure(), Good: one(*a.Correct), Gain: one(*r.Models[far].Correct) - one(*a.Correct)})
	}
	return calib.Fit(calib.Model{Name: model}, labels)
}

// budgets counts the error budgets that are broken, of two models and three
// budgets.
func (h halves) budgets(s *sheet) error {
	broken := 0
	for _, model := range []string{near3b, near8b} {
		t, err := h.fit(model)
		if err != nil {
			return err
		}
		for _, alpha := range []float64{0.1, 0.2, 0.3} {
			kept, wrong := h.keep(model, t, alpha)
			if wrong > alpha*kept {
				broken++
			}
			s.note("budget %s at most %.1f wrong: keeps %.1f %%, of those wrong %.3f", model, alpha, 100*kept/float64(len(h.test)), wrong/max(1, kept))
		}
	}
	s.put("budget_violations", float64(broken))
	return nil
}

// keep counts the asks of the test that a budget keeps local, and the wrong
// answers among them.
func (h halves) keep(model string, t *calib.Table, alpha float64) (kept, wrong float64) {
	at, ok := t.Threshold("", alpha)
	for _, r := range h.test {
		a := r.Models[model]
		if !ok || a.sure() < at {
			continue
		}
		kept++
		wrong += one(!*a.Correct)
	}
	return kept, wrong
}
