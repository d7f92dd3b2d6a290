package agent

import (
	"context"
	"errors"
	"time"

	"nearside/agent/openai"
)

// Observer is told what came of requests, for figures. Its methods are called
// from any goroutine, must not block, and keep nothing they are given.
type Observer interface {
	// Attempted is told of every call to a target when it ends, also of one
	// that was overtaken and ends after its request.
	Attempted(target, result string)
	// Finished is told of every request once, when it is over.
	Finished(o *Observation)
}

// Starter is an observer that is told of every request when it begins, too.
type Starter interface{ Began() }

// Observation is what came of one request. No text of it is in it.
type Observation struct {
	Decision  string
	Caller    string
	Service   string // "" when there is none of the name the caller gave
	Route     string
	Target    string // "" when nobody answered
	Reason    string
	Cache     string // hit, stale, miss, bypass
	Status    int    // HTTP status sent, 0 when the caller went away before
	Streamed  bool
	Broken    bool // the stream broke off, and not because its caller left
	Degraded  bool
	First     time.Duration // until the answer began
	Total     time.Duration
	TokensIn  int
	TokensOut int
	CostUSD   float64

	Attempts   int      // calls to targets
	Confidence *float64 // of the local answer; nil where there was none or it tells nothing
	Withheld   string   // the rule that kept the cloud from it, see [policy.Plan]
}

// tried takes in the end of an attempt.
func (w *walk) tried(one openai.Attempt) {
	w.calls.Add(one)
	if o := w.agent.parts.Observer; o != nil {
		o.Attempted(one.Target, one.Result)
	}
}

// service is what was asked for, "" while it is only the caller's word.
func (w *walk) service() string {
	if len(w.plan.Steps) == 0 && w.ask.Service != openai.Chat {
		return ""
	}
	return w.ask.Service
}

// observe tells the observer, if there is one, how the request ended.
func (w *walk) observe(end Finish) {
	o := w.agent.parts.Observer
	if o == nil {
		return
	}
	r, seen := &w.result, &w.seen
	*seen = Observation{
		Decision: r.Decision, Caller: w.in.Caller, Service: w.service(), Route: r.Route, Target: r.Target, Reason: r.Reason,
		Cache: r.Cache, Status: end.Status, Streamed: r.Stream != nil, Broken: r.Stream != nil && end.Err != nil && !errors.Is(end.Err, context.Canceled),
		Degraded: r.Degraded, First: r.first, Total: r.Timing.Total, Attempts: r.Attempts, Confidence: w.score, Withheld: w.plan.Withheld,
	}
	if r.answer != nil && r.answer.Usage != nil && !r.Kept {
		seen.TokensIn, seen.TokensOut = r.answer.Usage.In, r.answer.Usage.Out
		if usd := w.cost(r.answer.Usage); usd != nil {
			seen.CostUSD = *usd
		}
	}
	o.Finished(seen)
}
