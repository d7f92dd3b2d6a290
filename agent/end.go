package agent

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"nearside/agent/openai"
	"nearside/policy"
)

// good judges a reply. A poor one is kept aside while the next step runs. A
// server that reports no probabilities is taken at its word.
func (w *walk) good(step *policy.Step, reply *openai.Reply) bool {
	if step.Kind != policy.StepLocal {
		return true
	}
	a := reply.Answer
	sure := w.sure(a)
	switch {
	case a.Refused, refuses(a.Text()):
		return false
	case a.Finish == "length" && w.in.Request.MaxTokens == 0:
		return false // it ran into its own limit, not the caller's
	}
	return sure == nil || *sure >= step.Threshold
}

// sure is how sure the model was of its answer, nil when that is not known.
func (w *walk) sure(a *openai.Answer) *float64 {
	scorer := w.agent.parts.Scorer
	if scorer == nil {
		return nil
	}
	w.score = nil
	if score, ok := scorer.Confidence(w.in.Request.LastUser(), a.Tokens); ok {
		w.score = &score
	}
	return w.score
}

// refusals are how small models begin when they will not or cannot answer.
var refusals = []string{
	"i'm sorry, but i", "i am sorry, but i", "i'm sorry, i can", "sorry, i can", "i cannot help", "i can't help", "i can't assist", "i cannot assist",
	"i'm unable to", "i am unable to", "as an ai language model", "as an ai, i", "i don't have access to", "i do not have access to", "i don't know", "i do not know",
}

func refuses(text string) bool {
	text = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(text, "’", "'")))
	for _, r := range refusals {
		if strings.HasPrefix(text, r) {
			return true
		}
	}
	return false
}

// final tells whether a fault is the request's own: the target read it and
// found it wrong, so that no other would do better. A poor answer at hand is
// better than that news.
func (w *walk) final(err error) bool {
	var e *openai.Error
	if !errors.As(err, &e) || w.poor != nil {
		return false
	}
	return e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity
}

// refuse ends the walk: with the poor answer when there is one, else with the
// reason why there is none.
func (w *walk) refuse(ctx context.Context, step *policy.Step) error {
	r := w.result
	r.Attempts = w.attempts.calls()
	if ctx.Err() != nil {
		w.drop(w.poor)
		return ErrCallerOff
	}
	if w.poor != nil {
		w.deliver(w.poorStep, w.poor, true)
		return nil
	}
	err := w.refusal(step)
	if r.Reason == "" {
		r.Reason = step.Reason
		if errors.Is(err, ErrDeadline) {
			r.Reason = ReasonDeadline
		}
	}
	return err
}

// refusal is the error that says best why there is no answer: what was
// forbidden first, then what failed.
func (w *walk) refusal(step *policy.Step) error {
	switch step.Reason {
	case policy.ReasonOnlyCached:
		return ErrNotKept
	case policy.ReasonPrivate:
		return ErrPrivate
	case policy.ReasonOffline:
		return ErrOffline
	}
	switch {
	case len(w.faults) > 0:
		return w.worst()
	case step.Reason == policy.ReasonBudget:
		return ErrBudget
	}
	return ErrNoRoute
}

// worst picks among the faults of the steps the one a caller can act on: what
// is wrong with the request or its rate, then time, then the rest. That a
// target refused our key is not the caller's to know.
func (w *walk) worst() error {
	err := errors.Join(w.faults...)
	var e *openai.Error
	switch {
	case errors.As(err, &e) && e.Status < 500 && e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden && e.Status != http.StatusNotFound:
		return e
	case errors.Is(err, openai.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return ErrDeadline
	case errors.Is(err, openai.ErrBusy):
		return ErrBusy
	case w.attempts.calls() == 0:
		return ErrNoRoute
	}
	return ErrUpstream
}

// Finish is how a reply ended, as the server saw it.
type Finish struct {
	Status int   // HTTP status sent, 0 when the caller went away before
	Err    error // what broke the stream after its headers, nil when it ended well
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
	if end.Err == nil && w.storable(end.Status) {
		w.store()
	}
	if rec := w.agent.parts.Recorder; rec != nil {
		rec.Record(r.Decision, w.started, w.record(end))
	}
}
