package replies

import (
	"errors"
	"net/http"
	"os"
	"strconv"

	"nearside/agent"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/policy"
)

// QueueFull is an error that the same request may not meet a second later.
const QueueFull = "queue_full"

// later are the codes of errors that are gone after a while.
var later = []string{QueueFull, policy.ReasonRateLimited, string(callers.ReasonRate), string(callers.ReasonShare), string(callers.ReasonFull)}

// ErrStopping ends what is still under way when the drain time is over.
var ErrStopping = errors.New("the daemon is stopping")

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
	{agent.ErrDeadline, http.StatusGatewayTimeout, "timeout", "deadline_exceeded", " See /v1/decisions/{id} for what each target did; x-nearside-deadline-ms gives an ask more time."},
	{agent.ErrBusy, http.StatusTooManyRequests, "rate_limit_error", QueueFull, ""},
	{agent.ErrNoRoute, http.StatusServiceUnavailable, "no_route", "no_route", " See /v1/decisions/{id} or POST /v1/explain for why each target was left out."},
	{ErrStopping, http.StatusServiceUnavailable, "shutting_down", "shutting_down", " Ask again when it is back."},
	{agent.ErrUpstream, http.StatusBadGateway, "upstream_error", "upstream_error", " See /v1/decisions/{id} for what each target did."},
}

// Of turns any error into what the caller reads.
func Of(err error) *fault.Error {
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
			return &fault.Error{Status: r.status, Type: r.kind, Code: r.code, Message: Sentence(err) + r.hint, Param: param(r.err)}
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

// Sentence is the error's text as a sentence.
func Sentence(err error) string {
	s := err.Error()
	if s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	return s + "."
}

// OfBody says why a body could not be read.
func OfBody(err error) error {
	var large *http.MaxBytesError
	var crowded *fault.Error
	switch {
	case errors.As(err, &large), errors.As(err, &crowded):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault.Error{
			Status: http.StatusRequestTimeout, Type: "timeout", Code: "body_timeout", Message: "The body did not come in time.",
		}
	}
	return fault.Invalid("", "The body could not be read to its end.")
}
