package main

import (
	"time"

	"nearside/agent/openai"
	"nearside/agent/server"
	"nearside/cloud"
	"nearside/local"
	"nearside/policy"
	"nearside/store"
)

// signals is a snapshot of all that a decision needs besides the ask.
func (d *daemonParts) signals() policy.Signals {
	network, _, _ := d.cloud.Network()
	s := policy.Signals{Time: time.Now(), Network: network}
	for _, t := range d.local.Status() {
		s.Targets = append(s.Targets, policy.Target{
			Name: t.Name, Services: t.Services, Near: true, Usable: t.Usable, Why: t.Why,
			P50MS: millis(t.P50), P95MS: millis(t.P95), ErrorRate: t.ErrorRate,
			InFlight: t.InFlight, Context: t.Context, Blind: true,
		})
	}
	for _, t := range d.cloud.Status() {
		p := policy.Target{
			Name: t.Name, Services: t.Services, Near: t.Near, Usable: t.Usable, Why: t.Why,
			P50MS: millis(t.P50), P95MS: millis(t.P95), ErrorRate: t.ErrorRate,
			InFlight: t.InFlight, Context: t.Context,
		}
		if t.Price != nil {
			p.Price = &policy.Price{Input: t.Price.Input, Output: t.Price.Output}
		}
		s.Targets = append(s.Targets, p)
	}
	return s
}

func millis(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	ms := float64(*d) / float64(time.Millisecond)
	return &ms
}

// ready tells whether some route can answer.
func (d *daemonParts) ready() error {
	s := d.signals()
	for _, t := range s.Targets {
		if t.Usable && (t.Near || s.Network != cloud.Offline) {
			return nil
		}
	}
	return errNothingAnswers
}

func (d *daemonParts) models() []server.Model {
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	for _, t := range d.signals().Targets {
		names = append(names, t.Name)
	}
	var all []server.Model
	for _, n := range names {
		all = append(all, server.Model{ID: n, Object: "model", Created: d.started.Unix(), OwnedBy: "nearside"})
	}
	return all
}

// status is the document of GET /v1/status.
func (d *daemonParts) status() any {
	network, since, source := d.cloud.Network()
	p := d.agent.Policy()
	state := "factory"
	if p.Source != "built-in" {
		state = "confirmed"
	}
	s := statusDoc{
		Version: release, Commit: revision(), UptimeS: int64(time.Since(d.started).Seconds()), Ready: d.ready() == nil,
		Connectivity: connectivityDoc{network, int64(time.Since(since).Seconds()), source},
		Policy:       policyDoc{p.Doc.Version, p.Digest, p.Source, state},
		Targets:      []targetDoc{}, Engine: engineDoc{State: "none"}, Signals: signalDocs(network, since, source),
	}
	locals := d.local.Status()
	for _, t := range locals {
		s.Targets = append(s.Targets, targetDoc{
			Name: t.Name, Kind: "local", Services: t.Services, Usable: t.Usable, Why: filled(t.Why),
		}.with(t.Summary))
	}
	for _, t := range d.cloud.Status() {
		if network == cloud.Offline && !t.Near && t.Usable {
			t.Usable, t.Why = false, "the network is offline"
		}
		s.Targets = append(s.Targets, targetDoc{
			Name: t.Name, Kind: "openai", Services: t.Services, Usable: t.Usable, Why: filled(t.Why), Breaker: &t.Breaker,
		}.with(t.Summary))
	}
	if len(locals) > 0 {
		s.Engine = engineOf(locals[0])
	}
	s.Store = d.storeStatus()
	s.Health = d.health(locals, &s)
	return s
}

// units are those of the device's signals. Nothing senses them yet, but for
// the network.
var units = map[string]string{
	"cpu_pct": "%", "mem_available_mb": "MB", "pressure_pct": "%", "temperature_c": "C", "battery_pct": "%",
	"charging": "", "disk_free_mb": "MB", "metered": "",
}

func signalDocs(network string, since time.Time, source string) map[string]signalDoc {
	docs := map[string]signalDoc{}
	for name, unit := range units {
		docs[name] = signalDoc{Unit: unit}
	}
	age := int64(time.Since(since).Seconds())
	docs["network"] = signalDoc{Value: network, AgeS: &age, Source: &source}
	return docs
}

func (t targetDoc) with(f openai.Summary) targetDoc {
	t.LatencyMS = latencyDoc{millis(f.P50), millis(f.P95)}
	t.ErrorRate, t.InFlight, t.Calls = f.ErrorRate, f.InFlight, f.Calls
	return t
}

func engineOf(t local.Status) engineDoc {
	e := engineDoc{State: t.State, Model: filled(t.Name), Why: filled(t.Why)}
	if t.External {
		e.State = "external"
	}
	if t.PID != 0 {
		e.PID = &t.PID
	}
	return e
}

// filled is nil for what is not known.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (d *daemonParts) storeStatus() storeDoc {
	st := d.store.store.Load()
	if st == nil {
		return storeDoc{Queue: fileDoc{State: "opening"}, Cache: fileDoc{State: "opening"}}
	}
	doc := func(f store.FileStats) fileDoc {
		return fileDoc{Rows: f.Rows, Bytes: f.Bytes, Quota: f.Quota, State: string(f.State), Dropped: f.Dropped}
	}
	stats := st.Stats()
	docs := storeDoc{doc(stats.Queue), doc(stats.Cache)}
	docs.Queue.Dropped += d.store.lost()
	return docs
}

// health lists what an operator should know.
func (d *daemonParts) health(locals []local.Status, s *statusDoc) []condition {
	list := []condition{}
	add := func(name, severity, message, hint string) {
		list = append(list, condition{name, severity, message, hint})
	}
	if len(locals) == 0 && !d.cfg.Local.Disabled {
		add("no_local_model", "warn", "there is no local model, so nothing is answered on the device", "run make setup, or list one under local.models")
	}
	for _, t := range locals {
		switch {
		case !t.Usable:
			add("engine", "fail", t.Name+": "+t.Why, "")
		case t.State == local.Stopped && t.Why != "": // it crashed, and may again
			add("engine", "warn", t.Name+": "+t.Why, "check the model with: nearside model verify")
		}
	}
	for _, t := range d.cloud.Status() {
		if !t.Usable {
			add("target", "warn", t.Name+": "+t.Why, "")
		}
	}
	if why := d.store.fault.Load(); why != nil {
		add("store", "fail", "nothing is remembered beyond this run: "+*why, "correct the state folder, or choose another with --state DIR")
	}
	if !s.Ready {
		add("not_ready", "fail", errNothingAnswers.Error(), "")
	}
	for _, w := range d.cfg.Warnings() {
		add("config", "warn", w, "")
	}
	return list
}
