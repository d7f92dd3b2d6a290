package daemon

import (
	"time"

	"nearside/agent/openai/rolling"
	"nearside/agent/server/status"
	"nearside/cloud"
	"nearside/local"
	"nearside/local/intent"
	"nearside/store/file"
)

// status is the answer to GET /v1/status.
func (d *daemon) status() status.Status {
	way := d.cloud.Network()
	now := d.Standing()
	s := status.Status{
		Version: d.Release, Commit: d.Commit, UptimeS: int64(time.Since(d.started).Seconds()), Ready: d.ready() == nil,
		Connectivity: status.Connectivity{State: way.State, SinceS: int64(time.Since(way.Since).Seconds()), Source: way.Source},
		Policy:       status.Policy{Version: int(now.Version), Digest: now.Digest, Source: now.Source, State: now.State, Held: now.Held},
		Targets:      []status.Target{}, Engine: status.Engine{State: "none"}, Signals: d.Signals(),
	}
	locals := d.local.Status()
	for _, t := range locals {
		s.Targets = append(s.Targets, measured(status.Target{
			Name: t.Name, Kind: "local", Services: t.Services, Usable: t.Usable, Why: filled(t.Why),
		}, t.Summary))
	}
	if h := d.gate.Held(); h.Name != "" {
		s.Targets = append(s.Targets, measured(status.Target{
			Name: h.Name, Kind: "gate", Services: []string{intent.Service}, Usable: h.Gate != nil, Why: filled(h.Why),
		}, d.gate.Summary()))
	}
	for _, t := range d.far(nil) {
		if why := cutOff(way); why != "" && !t.Near && t.Usable {
			t.Usable, t.Why = false, why
		}
		s.Targets = append(s.Targets, measured(status.Target{
			Name: t.Name, Kind: kind(t), Services: t.Services, Usable: t.Usable, Why: filled(t.Why), Breaker: &t.Breaker,
		}, t.Summary))
	}
	if len(locals) > 0 {
		s.Engine = engineOf(locals[0])
	}
	s.Store, s.Calibration, s.Remote = d.storeStatus(), d.learner.Report(), d.helm.Link()
	s.Health = d.health(locals, &s)
	return s
}

func kind(t cloud.Status) string {
	if t.APIs != nil {
		return "http"
	}
	return "openai"
}

// measured is the target with the figures of its latest calls.
func measured(t status.Target, f rolling.Summary) status.Target {
	t.LatencyMS = status.Latency{P50: f.P50MS, P95: f.P95MS}
	t.ErrorRate, t.InFlight, t.Calls, t.BytesPerToken = f.ErrorRate, f.InFlight, f.Calls, f.BytesPerToken
	return t
}

func engineOf(t local.Status) status.Engine {
	e := status.Engine{State: t.State, Model: filled(t.Name), Why: filled(t.Why), Starts: t.Starts, Crashes: t.Crashes}
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

func (d *daemon) storeStatus() status.Store {
	st := d.store.Now()
	if st == nil {
		return status.Store{Queue: status.File{State: "opening"}, Cache: status.File{State: "opening"}}
	}
	doc := func(f file.Stats) status.File {
		return status.File{Rows: f.Rows, Bytes: f.Bytes, Quota: f.Quota, State: string(f.State), Dropped: f.Dropped}
	}
	stats := st.Stats()
	docs := status.Store{Queue: doc(stats.Queue), Cache: doc(stats.Cache)}
	docs.Queue.Dropped += d.store.Lost()
	return docs
}

// word is what filled was made from.
func word(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
