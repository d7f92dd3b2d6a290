package agent

import "errors"

// Why a request got no answer. The server turns each into a status.
var (
	ErrModel      = errors.New("unknown model")
	ErrService    = errors.New("unknown service")
	ErrConflict   = errors.New("mode and model contradict each other")
	ErrPrivate    = errors.New("the ask is private and no local target could answer it")
	ErrOffline    = errors.New("there is no network and nothing on the device could answer")
	ErrNotKept    = errors.New("only a kept answer was wanted and there is none")
	ErrBudget     = errors.New("every target that could answer is over the cost cap")
	ErrTooLong    = errors.New("the ask does not fit the context of any target that may answer it")
	ErrUnverified = errors.New("no answer could be verified, and policy forbids to give one that is not")
	ErrDeadline   = errors.New("no target answered in time")
	ErrBusy       = errors.New("the local queue is full")
	ErrUpstream   = errors.New("every target failed")
	ErrNoRoute    = errors.New("no target could answer")
	ErrCallerOff  = errors.New("the caller went away")
)
