package agent

import (
	"errors"
	"time"

	"nearside/agent/decision"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// recorded is what is to be kept of the walk, at its end.
func (w *walk) recorded(end Finish) *decision.Record {
	r := w.record
	r.TraceID, r.Policy = w.in.Trace.ID(), w.result.Policy
	r.Attempts, r.Outcome = w.calls.Attempts(w.started), w.outcome(end)
	return r
}

func (w *walk) outcome(end Finish) decision.Outcome {
	r := &w.result
	o := decision.Outcome{
		Route: r.Route, Target: r.Target, Status: end.Status, Reason: r.Reason, TotalMS: r.Timing.Total.Milliseconds(),
		Confidence: w.score, Cache: r.Cache, Degraded: r.Degraded, Formed: w.isFormed, Judged: w.judged(), Error: end.plain(),
	}
	if first := r.first; first > 0 {
		ms := first.Milliseconds()
		o.TTFTMS = &ms
	}
	if r.answer != nil && r.answer.Usage != nil && !r.Kept {
		u := r.answer.Usage
		tokens := [...]int{u.In, u.Out} // of its own: with the usage the reply that it lies in would stay
		o.TokensIn, o.TokensOut = &tokens[0], &tokens[1]
		o.CostUSD = w.cost(u)
	}
	return o
}

// cost is what the answer cost in USD, nil when its target has no price.
func (w *walk) cost(u *completion.Usage) *float64 {
	for i := range w.signals.Targets {
		if t := &w.signals.Targets[i]; t.Name == w.result.Target && t.Price != nil {
			usd := (t.Price.Input*float64(u.In) + t.Price.Output*float64(u.Out)) / 1e6
			return &usd
		}
	}
	return nil
}

// Finish is how a reply ended, as the server saw it.
type Finish struct {
	Status int   // HTTP status sent, 0 when the caller went away before
	Err    error // what broke the stream after its headers, nil when it ended well
}

// plain says how it ended in words of our own, "" for well.
func (f Finish) plain() string {
	if errors.Is(f.Err, ErrCallerOff) {
		return "cancelled"
	}
	return fault.Plain(f.Err)
}

// Close stores a good answer, records the decision and ends what is still
// running. It never fails a request; call it once, after the last byte of a
// plain reply and before the end mark of a stream.
func (r *Result) Close(end Finish) {
	if r.Stream != nil {
		defer r.Stream.Close()
	}
	w := r.walk
	r.Timing.Total = time.Since(w.started)
	if w.in.Check != nil && r.answer != nil && end.Err == nil && !r.Kept {
		formed := w.formed(r.answer)
		w.isFormed = &formed
	}
	if end.Err == nil && w.storable(end.Status) {
		w.store()
	}
	w.observe(end)
	w.teach(end)
	if rec := w.agent.parts.Recorder; rec != nil {
		rec.Record(r.Decision, w.started, w.recorded(end).AppendJSON)
	}
}
