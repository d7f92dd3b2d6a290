package decision

import "nearside/policy/scribe"

// AppendJSON appends the record as encoding/json writes it. Nothing is appended
// where a figure is no number, which a valid policy and known figures never are.
func (r *Record) AppendJSON(to []byte) []byte {
	p := scribe.Begin(to)
	p.Text("id", r.ID)
	p.Time("time", r.Time)
	p.Text("request_id", r.RequestID)
	p.Text("trace_id", r.TraceID)
	p.Ask(&r.Ask)
	p.Signals("signals", &r.Signals)
	p.Text("policy", r.Policy)
	p.Plan(&r.Plan)
	scribe.Each(&p, "attempts", r.Attempts, inscribeAttempt)
	p.Open("outcome")
	r.Outcome.inscribe(&p)
	p.Close()
	text, _ := p.Done()
	return text
}

func inscribeAttempt(p *scribe.Pen, a *Attempt) {
	p.Text("target", a.Target)
	p.Whole("start_ms", a.StartMS)
	p.Whole("ms", a.MS)
	p.Text("result", a.Result)
	p.Text("error", a.Error)
}

func (o *Outcome) inscribe(p *scribe.Pen) {
	p.Text("route", o.Route)
	p.Text("target", o.Target)
	p.Whole("status", int64(o.Status))
	p.Text("reason", o.Reason)
	scribe.WholeAt(p, "ttft_ms", o.TTFTMS)
	p.Whole("total_ms", o.TotalMS)
	scribe.WholeAt(p, "tokens_in", o.TokensIn)
	scribe.WholeAt(p, "tokens_out", o.TokensOut)
	p.NumberAt("cost_usd", o.CostUSD)
	p.NumberAt("confidence", o.Confidence)
	p.Text("cache", o.Cache)
	p.Flag("degraded", o.Degraded)
	p.AnyFlagAt("schema_valid", o.Formed)
	if j := o.Judged; j != nil {
		p.Open("judged")
		p.Text("target", j.Target)
		p.AnyText("model", j.Model)
		p.NumberAt("p_good", j.Good)
		p.Close()
	}
	p.AnyText("error", o.Error)
}
