package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Faults of a target that are not an HTTP status of its own. Match with
// [errors.Is].
var (
	ErrBroken  = errors.New("broken reply") // not JSON, not a stream, no choices
	ErrUnfit   = errors.New("reply does not fit the schema")
	ErrEmpty   = errors.New("empty answer")            // well formed, says nothing
	ErrCut     = errors.New("stream cut")              // ended before its finish_reason
	ErrStalled = errors.New("stream stalled")          // silent for longer than allowed
	ErrTimeout = errors.New("no answer in time")       // attempt budget spent before the first token
	ErrBusy    = errors.New("local queue is full")     // too many asks wait for the engine
	ErrDown    = errors.New("target is not available") // engine missing, breaker open, set aside
)

// Error is an error in the OpenAI shape. From a target it carries the status
// and words the target used; towards a caller it is what the caller reads.
type Error struct {
	Status     int           // HTTP status
	Type       string        // e.g. invalid_request_error
	Code       string        // e.g. model_not_found; "" is null on the wire
	Param      string        // the field at fault; "" is null on the wire
	Message    string        // one sentence for a person
	RetryAfter time.Duration // what Retry-After said; 0 when it said nothing

	final bool // see [Final]
}

// Error gives status, type and message on one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Message)
}

// Redirect is a reply that leads elsewhere. It is not followed, and an
// [ErrBroken].
type Redirect struct {
	Status int
	Host   string // where it leads to; "" for no other host than the one that was asked
}

// Error says that it was not followed.
func (r *Redirect) Error() string {
	text := fmt.Sprintf("%v: status %d, redirects are not followed", ErrBroken, r.Status)
	if r.Host != "" {
		text += ", to " + r.Host
	}
	return text
}

// Unwrap makes it an [ErrBroken].
func (r *Redirect) Unwrap() error { return ErrBroken }

// Body is the JSON object {"error":{message,type,param,code}}.
func (e *Error) Body() []byte {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	b, _ := json.Marshal(map[string]any{"error": map[string]any{
		"message": e.Message, "type": e.Type, "param": null(e.Param), "code": null(e.Code),
	}})
	return b
}

// Invalid is a 400 that names the field at fault.
func Invalid(param, format string, args ...any) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error",
		Param: param, Message: fmt.Sprintf(format, args...),
	}
}

// OfRequest tells whether the fault is the request's own, so that no other
// target would do better.
func (e *Error) OfRequest() bool {
	return e.final || e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity
}

// Final marks an error of a target as the request's own, where its status
// alone does not tell; see [Error.OfRequest].
func Final(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.final = true
	}
	return err
}
