package agent

import (
	"context"
	"net/http"
	"time"

	"nearside/agent/kept"
	"nearside/agent/openai/completion"
	"nearside/policy"
)

// key is the identity of the ask.
func (w *walk) key() string {
	if w.hash == "" {
		w.hash = kept.Key(w.in.Request, &kept.Circle{Salt: w.Salt, Service: w.ask.Service, Mode: w.ask.Mode, Target: w.ask.Target})
	}
	return w.hash
}

// look asks the cache, once per request.
func (w *walk) look(ctx context.Context) *kept.Entry {
	if w.looked || w.agent.parts.Cache == nil {
		return w.kept
	}
	w.looked = true
	w.result.Cache = "miss"
	value, at, ok, err := w.agent.parts.Cache.Get(ctx, w.key())
	if err != nil || !ok {
		return nil
	}
	w.kept = kept.Decode(value, at)
	return w.kept
}

// fresh serves a kept answer that is young enough.
func (w *walk) fresh(ctx context.Context, step *policy.Step) bool {
	limit := within(w.keep().Fresh, w.ask.Cache.MaxAgeS, step.MaxAgeS)
	return w.serve(w.look(ctx), step, "hit", limit)
}

// stale serves a kept answer of any age that is still allowed.
func (w *walk) stale(ctx context.Context, step *policy.Step) bool {
	limit := within(w.keep().Stale, w.ask.Cache.MaxStaleS, step.MaxAgeS)
	w.result.Degraded = w.serve(w.look(ctx), step, "stale", limit)
	return w.result.Degraded
}

// within is the least of what the config, the caller and the policy allow; nil
// and 0 do not bound.
func within(limit time.Duration, caller *int64, plan int64) time.Duration {
	if caller != nil {
		limit = min(limit, time.Duration(*caller)*time.Second)
	}
	if plan > 0 {
		limit = min(limit, time.Duration(plan)*time.Second)
	}
	return limit
}

// clockSlack is how far in the future a kept answer may be dated. More than
// that and one of the clocks was wrong, so that its age is not known.
const clockSlack = time.Minute

// serve makes a kept answer the result when it is not older than limit.
func (w *walk) serve(e *kept.Entry, step *policy.Step, how string, limit time.Duration) bool {
	if e == nil {
		return false
	}
	age := w.agent.parts.Now().Sub(e.At)
	if age > limit || age < -clockSlack {
		return false
	}
	if check := w.Services[w.ask.Service].Reply; check != nil && check(e.Body) != nil {
		return false // it was good under another schema
	}
	age = max(0, age)
	r := &w.result
	if w.in.Request.Stream {
		stream, err := completion.Replay(e.Body, w.in.Request.IncludeUsage)
		if err != nil {
			return false
		}
		r.Stream, r.answer = stream, stream.Answer
	} else {
		r.Body = e.Body
	}
	r.Route, r.Target, r.Model, r.Cache = step.Kind, e.Target, e.Model, how
	r.Kept, r.Age = true, age
	if r.Reason == "" {
		r.Reason = step.Reason
	}
	return true
}

// storable tells whether the answer may serve again: whole, good, and not of a
// private ask or one that forbade it.
func (w *walk) storable(status int) bool {
	r := &w.result
	keep := w.keep()
	return w.agent.parts.Cache != nil && max(keep.Fresh, keep.Stale) > 0 && status == http.StatusOK && r.answer != nil && !r.Kept && !r.Degraded && (w.isFormed == nil || *w.isFormed) &&
		!w.private() && !w.cutShort() && !w.ask.Cache.NoStore && (r.Stream == nil || w.whole())
}

// cutShort tells whether the policy's limit ended the answer: it is not the one
// that the same ask gets without.
func (w *walk) cutShort() bool {
	return w.plan.Bounds.TokensOut > 0 && w.result.answer.Finish == "length"
}

// whole tells whether a stream that was read gives a whole plain answer:
// log-probabilities, sound and other things are not put together again.
func (w *walk) whole() bool {
	a := w.result.answer
	return w.result.Stream.Ended() && !w.in.Request.Logprobs && (a.Text() != "" || a.HasCalls())
}

func (w *walk) store() {
	body := w.result.Body
	if body == nil {
		body = w.result.answer.Completion()
	}
	e := kept.Entry{Target: w.result.Target, Model: w.result.Model, Body: body}
	w.agent.parts.Cache.Put(w.key(), e.Encode(), w.agent.parts.Now())
}
