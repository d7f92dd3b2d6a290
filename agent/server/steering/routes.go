package steering

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/server/replies"
)

const (
	maxEnvelope = 68 << 10         // an envelope is at most 64 KiB; a little more is read so that it is told apart
	maxReset    = 4 << 10          // bytes of the body of a reset
	longest     = 30 * time.Second // that a document may be examined while somebody waits
)

// Routes answers for what stands behind it; of nil nothing is built: 501.
type Routes struct{ Of Steered }

// Mount gives each route to add: its pattern, what a caller needs for it (see
// [callers.Book.Admit]), and what answers. Where here wraps it, a request must
// come from this device.
func (s Routes) Mount(add func(pattern, need string, h http.HandlerFunc), here func(http.HandlerFunc) http.HandlerFunc) {
	if s.Of == nil {
		add(Path, callers.Control, replies.NotBuilt)
		add(Path+"/", callers.Control, replies.NotBuilt)
		return
	}
	add("GET "+Path, callers.Control, s.show)
	add("POST "+ApplyPath, callers.Control, s.apply)
	add("POST "+ResetPath, callers.Control, here(s.reset))
}

// show is GET [Path].
func (s Routes) show(w http.ResponseWriter, _ *http.Request) {
	replies.JSON(w, http.StatusOK, s.Of.Standing())
}

// apply is POST [ApplyPath]: the body is the envelope.
func (s Routes) apply(w http.ResponseWriter, r *http.Request) {
	envelope, err := io.ReadAll(io.LimitReader(r.Body, maxEnvelope))
	if err != nil {
		replies.Error(w, fault.Invalid("", "The body could not be read to its end."))
		return
	}
	ctx, cancel := patient(w, r)
	defer cancel()
	done, err := s.Of.Apply(ctx, envelope)
	if err != nil {
		replies.Error(w, said(err))
		return
	}
	replies.JSON(w, http.StatusOK, done)
}

// reset is POST [ResetPath]: {"forget_floor":true|false}.
func (s Routes) reset(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Forget bool `json:"forget_floor"`
	}
	text := json.NewDecoder(io.LimitReader(r.Body, maxReset))
	text.DisallowUnknownFields()
	if err := text.Decode(&body); err != nil {
		replies.Error(w, fault.Invalid("", `The body must be {"forget_floor":true} or {"forget_floor":false}.`))
		return
	}
	ctx, cancel := patient(w, r)
	defer cancel()
	if err := s.Of.Reset(ctx, body.Forget); err != nil {
		replies.Error(w, said(err))
		return
	}
	replies.JSON(w, http.StatusOK, s.Of.Standing())
}

// patient lets a request take as long as an examination may, and its reply then
// be written.
func patient(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * longest))
	return context.WithTimeout(r.Context(), longest)
}

// said is an error as callers read it. A refusal's reason is the code.
func said(err error) *fault.Error {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return &fault.Error{Status: http.StatusUnprocessableEntity, Type: Kept, Code: r.Reason, Message: r.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{
			Status: http.StatusGatewayTimeout, Type: "timeout", Code: "still_examined",
			Message: "The document is still being examined after 30 s; GET " + Path + " shows what comes of it.",
		}
	}
	return &fault.Error{Status: http.StatusInternalServerError, Type: "internal_error", Code: "not_applied", Message: err.Error()}
}

// Kept is the type of an error that leaves in force what was: a document that
// is refused.
const Kept = "policy_refused"
