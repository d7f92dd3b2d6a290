package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"nearside/policy/deferral"
)

// seeds of the splits, of which the mean is the figure.
const seeds = 5

// compared is an ask that a weak and a strong model answered.
type compared struct {
	Prompt *string `json:"prompt"`
	Weak   *bool   `json:"weak_correct"`
	Strong *bool   `json:"strong_correct"`
}

func (c compared) check() error {
	switch {
	case c.Prompt == nil:
		return errors.New("prompt: is missing")
	case c.Weak == nil:
		return errors.New("weak_correct: is missing; it must be true or false")
	case c.Strong == nil:
		return errors.New("strong_correct: is missing; it must be true or false")
	}
	return nil
}

// routellm measures deferral from the text alone.
func routellm(dir string, s *sheet) error {
	all, err := rows[compared](filepath.Join(dir, "mmlu.jsonl.gz"))
	if err != nil {
		return err
	}
	var apgr, half, most []float64
	var curves []curve
	var never, always float64
	for seed := range uint64(seeds) {
		asks, err := split(all, seed)
		if err != nil {
			return err
		}
		never, always = rates(asks)
		c := curveOf(asks)
		curves = append(curves, c)
		apgr, half, most = append(apgr, c.apgr()), append(half, c.cpt(0.5)), append(most, c.cpt(0.8))
		s.note("routellm_mmlu seed %d: apgr %.4f cpt50 %.1f cpt80 %.1f", seed, c.apgr(), c.cpt(0.5), c.cpt(0.8))
	}
	for _, f := range []struct {
		name  string
		seeds []float64
	}{{"routellm_mmlu_apgr", apgr}, {"routellm_mmlu_cpt50", half}, {"routellm_mmlu_cpt80", most}} {
		mean, deviation := spread(f.seeds)
		s.put(f.name, mean)
		s.put(f.name+"_sd", deviation)
	}
	noteMerits(s, all)
	return s.draw("text", routes("A weak and a strong model: by the text of the question", curves, never, always).svg())
}

// split fits on the labels of one seed and routes the rest.
func split(all []compared, seed uint64) ([]routed, error) {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))
	known := min(deferral.MaxLabels, len(all)/2)
	m, err := deferral.Fit(labelled(all, order[:known]))
	if err != nil {
		return nil, fmt.Errorf("of %d rows %d are labels: %w", len(all), known, err)
	}
	var asks []routed
	for _, i := range order[known:] {
		r := all[i]
		asks = append(asks, routed{id: i, score: m.Gain(*r.Prompt), near: *r.Weak, far: *r.Strong})
	}
	return asks, nil
}

// noteMerits tells from how many labels on the daemon would let text sway what
// it expects.
func noteMerits(s *sheet, all []compared) {
	for _, n := range []int{200, 285, 500, 1000, deferral.MaxLabels} {
		if n > len(all)/2 {
			return
		}
		forced, explained := 0, 0.0
		for seed := range uint64(seeds) {
			m, err := deferral.Cross(labelled(all, rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:n]))
			if err != nil {
				s.note("routellm_mmlu %d labels: %v", n, err)
				return
			}
			if m.Better() {
				forced++
			}
			explained += m.Explained / seeds
		}
		s.note("routellm_mmlu %d labels: in force in %d of %d seeds; explained %.3f of the gain's variance", n, forced, seeds, explained)
	}
}

func labelled(all []compared, which []int) (labels []deferral.Label) {
	for _, i := range which {
		labels = append(labels, deferral.Label{Text: *all[i].Prompt, Gain: one(*all[i].Strong) - one(*all[i].Weak)})
	}
	return labels
}
