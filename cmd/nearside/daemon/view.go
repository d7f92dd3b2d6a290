package daemon

import (
	"time"

	"nearside/agent/openai"
	"nearside/agent/server"
	"nearside/cloud"
	"nearside/local/intent"
	"nearside/policy"
)

// signals is a snapshot of all that a decision needs besides the ask.
func (d *daemon) signals() policy.Signals {
	now := time.Now()
	s := d.situation(now).signals
	s.Time = now
	var room [4]cloud.Status // of far, when there are no more
	near, far := d.local.Status(), d.far(room[:0])
	gate := d.gate.Held()
	n := len(near) + len(far)
	if gate.Name != "" {
		n++
	}
	s.Targets = make([]policy.Target, 0, n)
	for i := range near {
		t := &near[i]
		s.Targets = append(s.Targets, policy.Target{
			Name: t.Name, Services: t.Services, Near: true, Usable: t.Usable, Why: t.Why,
			P50MS: t.P50MS, P95MS: t.P95MS, ErrorRate: t.ErrorRate,
			InFlight: t.InFlight, Context: t.Context, BytesPerToken: t.BytesPerToken, Blind: true,
		})
	}
	if gate.Name != "" {
		f := d.gate.Summary()
		s.Targets = append(s.Targets, policy.Target{
			Name: gate.Name, Services: []string{intent.Service}, Near: true, Usable: gate.Gate != nil, Why: gate.Why,
			P50MS: f.P50MS, P95MS: f.P95MS, ErrorRate: f.ErrorRate, InFlight: f.InFlight, Blind: true, Light: true,
		})
	}
	for i := range far {
		t := &far[i]
		s.Targets = append(s.Targets, policy.Target{
			Name: t.Name, Services: t.Services, Near: t.Near, Usable: t.Usable, Why: t.Why,
			P50MS: t.P50MS, P95MS: t.P95MS, ErrorRate: t.ErrorRate,
			InFlight: t.InFlight, Context: t.Context, Weight: t.Weight, BytesPerToken: t.BytesPerToken, PauseMS: t.Pause.Milliseconds(),
			Price: (*policy.Price)(t.Price), // of the config: it never changes
		})
	}
	return s
}

// far appends the cloud targets to all; those that are switched off are there
// and cannot be asked.
func (d *daemon) far(all []cloud.Status) []cloud.Status {
	cfg := d.inForce.Load().laid
	if !cfg.Cloud.Disabled {
		return d.cloud.AppendStatus(all)
	}
	for _, t := range cloudTargets(cfg) {
		all = append(all, cloud.Status{Target: &t, Why: "the cloud is switched off in the config", Breaker: "closed"})
	}
	return all
}

// ready tells whether some route can answer.
func (d *daemon) ready() error {
	s := d.signals()
	for _, t := range s.Targets {
		if t.Usable && (t.Near || !s.Lost()) {
			return nil
		}
	}
	return errNothingAnswers
}

// models are the names that an ask for chat or embeddings may have for its model: a
// target that is no model is asked by the name of its service.
func (d *daemon) models() []server.Model {
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	for _, t := range d.signals().Targets {
		if t.Serves(openai.Chat) || t.Serves("embed") {
			names = append(names, t.Name)
		}
	}
	var all []server.Model
	for _, n := range names {
		all = append(all, server.Model{ID: n, Object: "model", Created: d.started.Unix(), OwnedBy: "nearside"})
	}
	return all
}
