package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"nearside/agent"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/policy"
)

// queueFull is an error that the same request may not meet a second later.
const queueFull = "queue_full"

// later are the codes of errors that are gone after a while.
var later = []string{queueFull, policy.ReasonRateLimited, string(callers.ReasonRate), string(callers.ReasonShare), string(callers.ReasonFull)}

// outcomes are how the agent's errors look to a caller. It is the one place
// where an error becomes a status.
var outcomes = []struct {
	err    error
	status int
	kind   string
	code   string
	hint   string
}{
	{agent.ErrModel, http.StatusNotFound, "invalid_request_error", "model_not_found", ""},
	{agent.ErrService, http.StatusNotFound, "invalid_request_error", "service_not_found", ""},
	{agent.ErrConflict, http.StatusBadRequest, "invalid_request_error", "", " Leave one of them out."},
	{agent.ErrPrivate, http.StatusUnprocessableEntity, "policy_blocked", "policy_blocked", " It was not sent anywhere. See /v1/status for the local engine."},
	{agent.ErrOffline, http.StatusServiceUnavailable, "offline_no_route", "offline_no_route", ""},
	{agent.ErrNotKept, http.StatusGatewayTimeout, "timeout", "only_if_cached", ""},
	{agent.ErrBudget, http.StatusUnprocessableEntity, "policy_blocked", "over_budget", " Raise x-nearside-max-cost, or give the target a price in the config."},
	{agent.ErrTooLong, http.StatusBadRequest, "invalid_request_error", "context_length_exceeded", " Shorten it, or ask for a shorter answer with max_tokens."},
	{agent.ErrUnverified, http.StatusBadGateway, "unverified", "unverified", " See /v1/decisions/{id} for what each target did."},
	{agent.ErrDeadline, http.StatusGatewayTimeout, "timeout", "deadline_exceeded", " Give it more time with x-nearside-deadline-ms."},
	{agent.ErrBusy, http.StatusTooManyRequests, "rate_limit_error", queueFull, ""},
	{agent.ErrNoRoute, http.StatusServiceUnavailable, "no_route", "no_route", " See /v1/decisions/{id} or POST /v1/explain for why each target was left out."},
	{errStopping, http.StatusServiceUnavailable, "shutting_down", "shutting_down", " Ask again when it is back."},
	{agent.ErrUpstream, http.StatusBadGateway, "upstream_error", "upstream_error", " See /v1/decisions/{id} for what each target did."},
}

// errLeft is for a caller that closed its half of the connection and still
// reads; one that is gone hears nothing.
var errLeft = &fault.Error{
	Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "caller_gone",
	Message: "The connection was closed for writing, which is taken for leaving; keep it open until the answer is there.",
}

// wireError turns any error into what the caller reads.
func wireError(err error) *fault.Error {
	var e *fault.Error
	if errors.As(err, &e) {
		return e
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &fault.Error{
			Status: http.StatusRequestEntityTooLarge, Type: "request_too_large",
			Message: "The body is larger than " + strconv.FormatInt(large.Limit, 10) + " bytes.",
		}
	}
	for _, r := range outcomes {
		if errors.Is(err, r.err) {
			return &fault.Error{Status: r.status, Type: r.kind, Code: r.code, Message: sentence(err) + r.hint, Param: param(r.err)}
		}
	}
	return &fault.Error{Status: http.StatusBadGateway, Type: "upstream_error", Code: fault.Result(err), Message: "The answer broke off: " + fault.Result(err) + "."}
}

func param(err error) string {
	if err == agent.ErrService {
		return "service"
	}
	if err == agent.ErrModel || err == agent.ErrConflict {
		return "model"
	}
	return ""
}

// sentence is the error's text as a sentence.
func sentence(err error) string {
	s := err.Error()
	if s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s + "."
}

// writeError answers with an error in the OpenAI shape. Only what is [later]
// gone may be tried again: everything else was tried here already, or cannot help.
func writeError(w http.ResponseWriter, e *fault.Error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rest))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.Status == http.StatusTooManyRequests {
		wait := max(time.Second, e.RetryAfter)
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
		h.Set("retry-after-ms", strconv.FormatInt(wait.Milliseconds(), 10))
	}
	if !slices.Contains(later, e.Code) {
		h.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Body())
}

// faults logs what net/http has to say: a handler that panicked is for
// operators, the rest is about clients.
type faults struct{ log *slog.Logger }

func (f faults) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(p, []byte("panic serving")) {
		level = slog.LevelError
	}
	f.log.Log(context.Background(), level, string(bytes.TrimSpace(p)))
	return len(p), nil
}
