package helm

import (
	"encoding/json"
	"slices"
	"time"

	"nearside/agent/server/status"
	"nearside/cloud/report"
	"nearside/cloud/wire"
	"nearside/policy/trial"
)

// described is the report as it is now: what is applied, and how the device
// fares.
func (w *watch) described() note {
	look, st := w.helm.o.Device.Look(), w.steer.Status()
	unwell := names(look.Health)
	w.unwell.Store(&unwell)
	at := st.Clock.Time.UTC()
	r := wire.Status{
		Device: w.by.Device, Ring: w.by.Ring, Agent: w.helm.o.Agent, Seq: st.Session<<20 + int64(time.Since(w.started)/time.Millisecond)>>10,
		At:     w.helm.o.Now().UTC(),
		Policy: report.InForce(st), Kinds: report.Kinds(st),
		Result: w.result.Load(), Root: st.RootVersion, Clock: wire.Clock{State: st.Clock.State, Time: &at},
		Queue: wire.Queue{Depth: look.Remote.Outbox.Notes, Dropped: look.Remote.Outbox.Dropped}, Health: healthOf(look.Health),
		Traffic: w.traffic(), Uptime: look.UptimeS,
	}
	if w.link != nil {
		r.Session = w.link.stand().Session
	}
	body, _ := json.Marshal(r) // plain values always encode
	return note{"rep", "rep", true, body}
}

// healthOf are the conditions that are not well, each name once, the worst of
// it, at most as many as a report may have.
func healthOf(list []status.Condition) []wire.Health {
	var all []wire.Health
	rank := map[string]int{"info": 0, "warn": 1, "fail": 2}
	for _, c := range list {
		i := slices.IndexFunc(all, func(h wire.Health) bool { return h.Name == c.Name })
		switch {
		case i < 0 && len(all) < 32:
			all = append(all, wire.Health{Name: c.Name, Severity: c.Severity})
		case i >= 0 && rank[c.Severity] > rank[all[i].Severity]:
			all[i].Severity = c.Severity
		}
	}
	return all
}

// traffic sums up the asks since the policy in force was put there.
func (w *watch) traffic() wire.Traffic {
	f := w.helm.figures.now()
	if d := w.helm.outside.Load(); d != nil {
		f = f.Since(d.start)
	}
	t := wire.Traffic{Asks: f.Asks, Errors: f.Errors, Refusals: f.Refusals}
	if f.Asks > 0 {
		t.LocalShare, t.CostUSD = known(f.LocalShare()), known(f.CostUSD)
	}
	if f.Times != (trial.Histogram{}) {
		t.P50MS, t.P95MS = known(f.MS(0.5)), known(f.MS(0.95))
	}
	return t
}

func known(x float64) *float64 { return &x }
