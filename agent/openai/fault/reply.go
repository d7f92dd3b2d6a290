package fault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"nearside/agent/openai/inplace"
)

// Redirected reads a reply that leads elsewhere.
func Redirected(resp *http.Response) *Redirect {
	r := &Redirect{Status: resp.StatusCode}
	to, err := resp.Location()
	if err == nil && resp.Request != nil && !strings.EqualFold(to.Hostname(), resp.Request.URL.Hostname()) {
		r.Host = to.Hostname()
	}
	return r
}

// OfReply turns an error reply of a target into an [Error] without the secret,
// also where JSON escapes were in it. The body may be in any shape; what cannot
// be read is left out.
func OfReply(resp *http.Response, body, secret []byte, now time.Time) *Error {
	e := readReply(resp, Redact(body, secret), now)
	for _, said := range []*string{&e.Message, &e.Type, &e.Param, &e.Code} {
		*said = string(Redact([]byte(*said), secret))
	}
	return e
}

// Redact takes a secret out of a text that a caller may see, since a target may
// quote it. One that is short is none.
func Redact(text, secret []byte) []byte {
	if len(secret) < 8 || !bytes.Contains(text, secret) {
		return text
	}
	return bytes.ReplaceAll(text, secret, []byte("[redacted]"))
}

func readReply(resp *http.Response, body []byte, now time.Time) *Error {
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
	body = inplace.Mended(bytes.TrimSpace(body))
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
	w := wordsOf(body)
	e.read(&w)
	return e
}

// OfEvent reads the error object of an event that came in a stream, after a 200.
func OfEvent(raw json.RawMessage) *Error {
	const status = http.StatusBadGateway
	e := &Error{Status: status, Type: "upstream_error", Message: http.StatusText(status)}
	e.read(&words{err: raw})
	return e
}

// words are the fields of an error object, and of what it stands in.
type words struct{ err, message, detail, kind, param, code json.RawMessage }

func wordsOf(object []byte) (w words) {
	for name, v := range inplace.Members(object) {
		switch string(name) {
		case "error":
			w.err = v
		case "message":
			w.message = v
		case "detail":
			w.detail = v
		case "type":
			w.kind = v
		case "param":
			w.param = v
		case "code":
			w.code = v
		}
	}
	return w
}

// read takes in the words of an error object: under error, where that is, else
// those beside it.
func (e *Error) read(w *words) {
	if text := inplace.String(w.err); text != "" {
		e.Message = text
		return
	}
	if inplace.First(w.err) == '{' {
		*w = wordsOf(w.err)
	}
	e.Message = cmp.Or(inplace.String(w.message), inplace.String(w.detail), e.Message)
	e.Type = cmp.Or(inplace.String(w.kind), e.Type)
	e.Param, e.Code = word(w.param), word(w.code)
}

// sentence tells whether a body is a few words for a person, not a page.
func sentence(body []byte) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	return len(body) > 0 && len(body) <= 500 && body[0] != '<' && !bytes.ContainsFunc(body, odd)
}

// word is a string or number as text; servers use either.
func word(raw json.RawMessage) string {
	switch c := inplace.First(raw); {
	case c == '"':
		return inplace.String(raw)
	case c == '-', c >= '0' && c <= '9':
		return string(raw)
	}
	return ""
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
