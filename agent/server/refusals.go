package server

import (
	"errors"
	"net/http"
	"sync/atomic"

	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/server/replies"
)

// denials are how the refusals of callers look to them.
var denials = map[callers.Reason]fault.Error{
	callers.ReasonNoToken:   {Status: 401, Type: "authentication_error", Message: "A token is needed here: send one header Authorization: Bearer TOKEN. x-api-key and tokens in the URL are not read."},
	callers.ReasonTwoTokens: {Status: 401, Type: "authentication_error", Message: "There is more than one Authorization header; send one."},
	callers.ReasonBadToken:  {Status: 401, Type: "authentication_error", Message: "The token is not one this server knows; see callers and listen.token in its config."},
	callers.ReasonStranger:  {Status: 403, Type: "permission_error", Message: "This caller may not use this: it is not listed under callers in the config."},
	callers.ReasonService:   {Status: 403, Type: "permission_error", Message: "This caller may not use this: its services in the config do not name it."},
	callers.ReasonRate:      {Status: 429, Type: "rate_limit_error", Message: "This caller asks more often than its rate in the config allows."},
	callers.ReasonShare:     {Status: 429, Type: "rate_limit_error", Message: "This caller has as many asks in flight as its share in the config allows."},
	callers.ReasonFull:      {Status: 429, Type: "rate_limit_error", Message: "As many asks are in flight as listen.asks in the config allows."},
}

// denial turns what the book of callers said into what the caller reads.
func denial(err error) *fault.Error {
	var r *callers.Refusal
	errors.As(err, &r) // it is nothing else
	e := denials[r.Reason]
	e.Code, e.RetryAfter = string(r.Reason), r.Wait
	return &e
}

// Reasons of refusals beside those of [callers.Reasons].
const (
	hostRefused   = "host"
	originRefused = "origin"
)

// refusals counts what was refused before it was looked at, by reason.
type refusals map[string]*atomic.Int64

func newRefusals() refusals {
	all := refusals{}
	for _, reason := range []string{hostRefused, originRefused} {
		all[reason] = new(atomic.Int64)
	}
	for _, reason := range callers.Reasons() {
		all[string(reason)] = new(atomic.Int64)
	}
	return all
}

// refuse counts and answers a request that is not looked at.
func (s *Server) refuse(w http.ResponseWriter, reason string, e *fault.Error) {
	s.refused[reason].Add(1)
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("X-Nearside-Route", "none")
	replies.Error(w, e)
}

func (r refusals) counts() map[string]int64 {
	out := map[string]int64{}
	for reason, n := range r {
		out[reason] = n.Load()
	}
	return out
}
