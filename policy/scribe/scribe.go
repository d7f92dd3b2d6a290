// Package scribe writes asks, signals and plans as JSON, byte for byte as
// encoding/json does and in a third of the time: records of decisions are
// written by it, and there is one for every request. It is pure and knows only
// the standard library and policy.
package scribe

import "nearside/policy"

// Ask writes the members of an ask.
func (p *Pen) Ask(a *policy.Ask) {
	p.Text("caller", a.Caller)
	p.Text("service", a.Service)
	p.Text("model_asked", a.Model)
	p.AnyText("target_asked", a.Target)
	p.Text("mode", a.Mode)
	p.Text("task", a.Task)
	p.AnyText("intent", a.Intent)
	p.AnyNumberAt("p_in_scope", a.Scope)
	p.Text("privacy", a.Privacy)
	p.Whole("deadline_ms", a.DeadlineMS)
	p.AnyNumberAt("max_cost_usd", a.MaxCost)
	p.size(&a.Size)
	p.needs(&a.Needs)
	p.Flag("stream", a.Stream)
	p.Flag("repeatable", a.Repeatable)
	p.AnyFlag("default", a.Default)
	p.caching(&a.Cache)
	AnyEach(p, "expected", a.Expected, (*Pen).estimate)
}

func (p *Pen) size(s *policy.Size) {
	p.Open("size")
	p.Whole("bytes", int64(s.Bytes))
	p.Whole("tokens_est", int64(s.TokensEst))
	p.Whole("tokens_out_est", int64(s.TokensOut))
	p.Close()
}

func (p *Pen) needs(n *policy.Needs) {
	p.Open("needs")
	p.Flag("tools", n.Tools)
	p.Flag("schema", n.Schema)
	p.Flag("vision", n.Vision)
	p.Close()
}

func (p *Pen) caching(c *policy.Caching) {
	p.Open("cache_control")
	p.AnyFlag("no_store", c.NoStore)
	p.AnyFlag("no_cache", c.NoCache)
	p.AnyFlag("only_if_cached", c.OnlyIfCached)
	p.AnyWholeAt("max_age_s", c.MaxAgeS)
	p.AnyWholeAt("max_stale_s", c.MaxStaleS)
	p.Close()
}

func (p *Pen) estimate(e *policy.Estimate) {
	p.Text("target", e.Target)
	p.Number("good", e.Good)
	p.AnyNumberAt("gain", e.Gain)
	p.AnyNumberAt("threshold", e.Threshold)
	p.AnyWhole("samples", int64(e.Samples))
	p.Text("from", e.From)
}

// Signals writes an object of signals.
func (p *Pen) Signals(name string, s *policy.Signals) {
	p.Open(name)
	p.Time("time", s.Time)
	p.Text("network", s.Network)
	p.device(&s.Device)
	p.AnyTexts("held", s.Held)
	p.AnyCount("turn", s.Turn)
	Each(p, "targets", s.Targets, (*Pen).target)
	if len(s.HeldSince) > 0 {
		p.name("held_since")
		p.other(s.HeldSince)
	}
	p.Close()
}

func (p *Pen) device(d *policy.Device) {
	p.Open("device")
	p.AnyNumberAt("cpu_pct", d.CPUPct)
	p.AnyNumberAt("mem_available_mb", d.MemAvailableMB)
	p.AnyNumberAt("pressure_pct", d.PressurePct)
	p.AnyNumberAt("temperature_c", d.TemperatureC)
	p.AnyNumberAt("battery_pct", d.BatteryPct)
	p.AnyFlagAt("charging", d.Charging)
	p.AnyNumberAt("disk_free_mb", d.DiskFreeMB)
	p.AnyFlagAt("metered", d.Metered)
	p.Close()
}

func (p *Pen) target(t *policy.Target) {
	p.Text("name", t.Name)
	p.Texts("services", t.Services)
	p.Flag("near", t.Near)
	p.Flag("usable", t.Usable)
	p.AnyText("why", t.Why)
	p.AnyWhole("pause_ms", t.PauseMS)
	p.NumberAt("p50_ms", t.P50MS)
	p.NumberAt("p95_ms", t.P95MS)
	p.NumberAt("error_rate", t.ErrorRate)
	p.Whole("in_flight", int64(t.InFlight))
	p.AnyWhole("context", int64(t.Context))
	p.AnyFlag("blind", t.Blind)
	p.AnyFlag("light", t.Light)
	if t.Price != nil {
		p.Open("price")
		p.Number("input", t.Price.Input)
		p.Number("output", t.Price.Output)
		p.Close()
	}
	p.AnyWhole("weight", int64(t.Weight))
	p.AnyNumberAt("bytes_per_token", t.BytesPerToken)
}

// Plan writes the members of a plan.
func (p *Pen) Plan(l *policy.Plan) {
	Each(p, "plan", l.Steps, (*Pen).step)
	Each(p, "not_chosen", l.NotChosen, (*Pen).notChosen)
	p.AnyFlag("private", l.Private)
	if l.Bounds != (policy.Limit{}) {
		p.bounds(&l.Bounds)
	}
	if l.Require != (policy.Require{}) {
		p.require(&l.Require)
	}
	p.AnyText("reason", l.Reason)
	p.AnyText("withheld", l.Withheld)
}

func (p *Pen) step(s *policy.Step) {
	p.Text("step", s.Kind)
	p.Text("target", s.Target)
	AnyEach(p, "members", s.Members, (*Pen).member)
	p.Number("utility", s.Utility)
	p.terms(&s.Terms)
	p.AnyTexts("assumed", s.Assumed)
	p.AnyWhole("max_age_s", s.MaxAgeS)
	p.Whole("budget_ms", s.BudgetMS)
	p.Text("commit", s.Commit)
	p.AnyWhole("commit_tokens", int64(s.CommitTokens))
	p.AnyNumber("threshold", s.Threshold)
	p.AnyWhole("pause_ms", s.PauseMS)
	p.Text("reason", s.Reason)
	p.Text("why", s.Why)
}

func (p *Pen) member(m *policy.Member) {
	p.Text("target", m.Target)
	p.Number("utility", m.Utility)
	p.terms(&m.Terms)
	p.AnyTexts("assumed", m.Assumed)
}

func (p *Pen) terms(t *policy.Terms) {
	p.Open("terms")
	p.AnyNumber("quality", t.Quality)
	p.AnyNumber("near", t.Near)
	p.AnyNumber("latency", t.Latency)
	p.AnyNumber("errors", t.Errors)
	p.AnyNumber("load", t.Load)
	p.AnyNumber("cost", t.Cost)
	p.AnyNumber("metered", t.Metered)
	p.AnyNumber("cpu", t.CPU)
	p.AnyNumber("memory", t.Memory)
	p.AnyNumber("temperature", t.Heat)
	p.AnyNumber("battery", t.Battery)
	p.AnyNumber("rule", t.Rule)
	p.Close()
}

func (p *Pen) notChosen(n *policy.NotChosen) {
	p.Text("target", n.Target)
	p.Text("why", n.Why)
}

func (p *Pen) bounds(l *policy.Limit) {
	p.Open("bounds")
	p.AnyWhole("budget_ms", l.BudgetMS)
	p.AnyNumberAt("max_cost_usd", l.MaxCost)
	p.AnyWhole("tokens_out", int64(l.TokensOut))
	p.AnyWhole("attempts", int64(l.Attempts))
	p.Close()
}

func (p *Pen) require(r *policy.Require) {
	p.Open("require")
	p.AnyNumber("confidence", r.Confidence)
	p.AnyFlag("schema", r.Schema)
	p.AnyFlag("verified", r.Verified)
	p.Close()
}
