package main

import (
	"time"

	"nearside/agent/openai"
	"nearside/agent/server"
	"nearside/cloud"
	"nearside/local"
	"nearside/store"
)

// status is the answer to GET /v1/status.
func (d *daemonParts) status() server.Status {
	network, since, source := d.cloud.Network()
	p := d.agent.Policy()
	state := "factory"
	if p.Source != "built-in" {
		state = "confirmed"
	}
	s := server.Status{
		Version: release, Commit: revision(), UptimeS: int64(time.Since(d.started).Seconds()), Ready: d.ready() == nil,
		Connectivity: server.Connectivity{State: network, SinceS: int64(time.Since(since).Seconds()), Source: source},
		Policy:       server.PolicyStatus{Version: p.Doc.Version, Digest: p.Digest, Source: p.Source, State: state},
		Targets:      []server.TargetStatus{}, Engine: server.EngineStatus{State: "none"}, Signals: signalDocs(network, since, source),
	}
	locals := d.local.Status()
	for _, t := range locals {
		s.Targets = append(s.Targets, measured(server.TargetStatus{
			Name: t.Name, Kind: "local", Services: t.Services, Usable: t.Usable, Why: filled(t.Why),
		}, t.Summary))
	}
	for _, t := range d.cloud.Status() {
		if network == cloud.Offline && !t.Near && t.Usable {
			t.Usable, t.Why = false, "the network is offline"
		}
		s.Targets = append(s.Targets, measured(server.TargetStatus{
			Name: t.Name, Kind: "openai", Services: t.Services, Usable: t.Usable, Why: filled(t.Why), Breaker: &t.Breaker,
		}, t.Summary))
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

func signalDocs(network string, since time.Time, source string) map[string]server.Signal {
	docs := map[string]server.Signal{}
	for name, unit := range units {
		docs[name] = server.Signal{Unit: unit}
	}
	age := int64(time.Since(since).Seconds())
	docs["network"] = server.Signal{Value: network, AgeS: &age, Source: &source}
	return docs
}

// measured is the target with the figures of its latest calls.
func measured(t server.TargetStatus, f openai.Summary) server.TargetStatus {
	t.LatencyMS = server.Latency{P50: millis(f.P50), P95: millis(f.P95)}
	t.ErrorRate, t.InFlight, t.Calls = f.ErrorRate, f.InFlight, f.Calls
	return t
}

func engineOf(t local.Status) server.EngineStatus {
	e := server.EngineStatus{State: t.State, Model: filled(t.Name), Why: filled(t.Why)}
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

func (d *daemonParts) storeStatus() server.StoreStatus {
	st := d.store.store.Load()
	if st == nil {
		return server.StoreStatus{Queue: server.FileStatus{State: "opening"}, Cache: server.FileStatus{State: "opening"}}
	}
	doc := func(f store.FileStats) server.FileStatus {
		return server.FileStatus{Rows: f.Rows, Bytes: f.Bytes, Quota: f.Quota, State: string(f.State), Dropped: f.Dropped}
	}
	stats := st.Stats()
	docs := server.StoreStatus{Queue: doc(stats.Queue), Cache: doc(stats.Cache)}
	docs.Queue.Dropped += d.store.lost()
	return docs
}

// health lists what an operator should know.
func (d *daemonParts) health(locals []local.Status, s *server.Status) []server.Condition {
	list := []server.Condition{}
	add := func(name, severity, message, hint string) {
		list = append(list, server.Condition{Name: name, Severity: severity, Message: message, Hint: hint})
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
