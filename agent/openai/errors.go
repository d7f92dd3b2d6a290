package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"nearside/agent/openai/inplace"
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

func redirected(resp *http.Response) *Redirect {
	r := &Redirect{Status: resp.StatusCode}
	to, err := resp.Location()
	if err == nil && resp.Request != nil && !strings.EqualFold(to.Hostname(), resp.Request.URL.Hostname()) {
		r.Host = to.Hostname()
	}
	return r
}

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

// readError turns an error reply of a target into an [Error]. The body may be
// in any shape; what cannot be read is left out.
func readError(resp *http.Response, body []byte, now time.Time) *Error {
	e := &Error{
		Status: resp.StatusCode, Type: "upstream_error",
		Message: http.StatusText(resp.StatusCode), RetryAfter: retryAfter(resp.Header, now),
	}
	switch {
	case e.OfRequest():
		e.Type = "invalid_request_error"
	case e.Status == http.StatusTooManyRequests:
		e.Type = "rate_limit_error"
	}
	body = valid(bytes.TrimSpace(body))
	if !inplace.Valid(body) {
		if sentence(body) {
			e.Message = string(body)
		}
		return e
	}
	for one := range inplace.Elements(body) {
		body = one
		break
	}
	e.read(object(body))
	return e
}

// read takes in the words of an error object: under error, where that is, else
// those beside it.
func (e *Error) read(o map[string]json.RawMessage) {
	if text := quoted(o["error"]); text != "" {
		e.Message = text
		return
	}
	if first(o["error"]) == '{' {
		o = object(o["error"])
	}
	e.Message = cmp.Or(quoted(o["message"]), quoted(o["detail"]), e.Message)
	e.Type = cmp.Or(quoted(o["type"]), e.Type)
	e.Param, e.Code = word(o["param"]), word(o["code"])
}

// sentence tells whether a body is a few words for a person, not a page.
func sentence(body []byte) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	return len(body) > 0 && len(body) <= 500 && body[0] != '<' && !bytes.ContainsFunc(body, odd)
}

// word is a string or number as text; servers use either.
func word(raw json.RawMessage) string {
	switch first(raw) {
	case '{', '[', 't', 'f':
		return ""
	}
	return text(raw)
}

// retryAfter reads retry-after-ms, then Retry-After as seconds or as a date
// (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil && ms > 0 && ms < 1e10 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e7 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
