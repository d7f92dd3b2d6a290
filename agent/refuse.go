package agent

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"nearside/agent/openai/fault"
	"nearside/policy"
)

// final tells whether a fault of a cloud target is the request's own: the
// target read it and found it wrong, so that no other would do better. A poor
// answer at hand is better than that news.
func (w *walk) final(step *policy.Step, err error) bool {
	var e *fault.Error
	return step.Kind == policy.StepCloud && w.poor == nil && errors.As(err, &e) && e.OfRequest()
}

// refuse ends the walk: with the poor answer when there is one, else with the
// reason why there is none.
func (w *walk) refuse(step *policy.Step) error {
	if w.poor != nil {
		w.deliver(w.poorStep, w.poor, true)
		return nil
	}
	err := w.refusal(step)
	switch {
	case errors.Is(err, ErrDeadline):
		w.result.Reason = cmp.Or(w.result.Reason, ReasonDeadline)
	case errors.Is(err, ErrUnverified):
		w.result.Reason = cmp.Or(w.result.Reason, ReasonUnverified)
	}
	w.result.Reason = cmp.Or(w.result.Reason, step.Reason)
	return err
}

// refusal is the error that says best why there is no answer: what a caller
// can mend by waiting or asking otherwise, then what was forbidden, then what
// failed.
func (w *walk) refusal(step *policy.Step) error {
	if step.Reason == policy.ReasonOnlyCached {
		return ErrNotKept
	}
	last := w.lastFault()
	if err := mendable(last); err != nil {
		return err
	}
	switch {
	case w.withheld:
		return ErrUnverified
	case step.Reason == policy.ReasonTooLong:
		return ErrTooLong
	case step.Reason == policy.ReasonPrivate:
		return ErrPrivate
	case step.Reason == policy.ReasonOffline:
		return ErrOffline
	case step.Reason == policy.ReasonRateLimited:
		return fewerCalls(time.Duration(step.PauseMS) * time.Millisecond)
	case last != nil:
		return ErrUpstream
	case step.Reason == policy.ReasonBudget:
		return ErrBudget
	}
	return ErrNoRoute
}

// fewerCalls is what a caller reads when all targets that might answer have
// asked for fewer calls, and the first may be asked again after the pause.
func fewerCalls(pause time.Duration) error {
	return &fault.Error{
		Status: http.StatusTooManyRequests, Type: "rate_limit_error", Code: policy.ReasonRateLimited, RetryAfter: pause,
		Message: "Every target that could answer asked for fewer calls. Retry-After says when the first may be asked again.",
	}
}

// lastFault is the fault of the last step that reached its target, nil when
// none did.
func (w *walk) lastFault() error {
	for i := len(w.faults) - 1; i >= 0; i-- {
		if !errors.Is(w.faults[i], fault.ErrDown) {
			return w.faults[i]
		}
	}
	return nil
}

// mendable is the error as a caller can act on it, nil for any other.
func mendable(err error) error {
	var e *fault.Error
	switch {
	case errors.As(err, &e) && (e.OfRequest() || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestEntityTooLarge):
		return e
	case errors.Is(err, fault.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return ErrDeadline
	case errors.Is(err, fault.ErrBusy):
		return ErrBusy
	}
	return nil
}
