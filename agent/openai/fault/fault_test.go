package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nearside/agent/openai/fault"
)

// said is the error that a reply of a target becomes.
func said(status int, body string) *fault.Error {
	return fault.OfReply(&http.Response{StatusCode: status, Header: http.Header{}}, []byte(body), nil, time.Now())
}

func TestOfReply(t *testing.T) {
	tests := []struct {
		name, body string
		want       fault.Error
	}{
		{"OpenAI", `{"error":{"message":"no","type":"rate_limit_error","param":"model","code":"slow_down"}}`, fault.Error{Type: "rate_limit_error", Message: "no", Param: "model", Code: "slow_down"}},
		{"OpenAI nulls", `{"error":{"message":"no","type":"t","param":null,"code":null}}`, fault.Error{Type: "t", Message: "no"}},
		{"code as number", `{"error":{"message":"no","code":429,"param":{}}}`, fault.Error{Type: "rate_limit_error", Message: "no", Code: "429"}},
		{"Anthropic", `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`, fault.Error{Type: "overloaded_error", Message: "no"}},
		{"Ollama", `{"error":"no"}`, fault.Error{Type: "rate_limit_error", Message: "no"}},
		{"plain text", " too much,\nwait\n", fault.Error{Type: "rate_limit_error", Message: "too much,\nwait"}},
		{"long text", strings.Repeat("no ", 200), fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"bytes", "no\x00", fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"vLLM", `{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}`, fault.Error{Type: "BadRequestError", Message: "no", Code: "400"}},
		{"FastAPI", `{"detail":"no"}`, fault.Error{Type: "rate_limit_error", Message: "no"}},
		{"words of a wrong type", `{"error":{"message":["no"]},"detail":[{}]}`, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"HTML", `<h1>no</h1>`, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"Google", `[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]`, fault.Error{Type: "rate_limit_error", Message: "no", Code: "400"}},
		{"nothing", ``, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
	}
	for _, tt := range tests {
		e := said(http.StatusTooManyRequests, tt.body)
		tt.want.Status = http.StatusTooManyRequests
		if *e != tt.want || fault.Result(fmt.Errorf("ask: %w", e)) != "status_429" {
			t.Errorf("%s: got %+v", tt.name, e)
		}
	}
	for status, kind := range map[int]string{400: "invalid_request_error", 422: "invalid_request_error", 429: "rate_limit_error", 404: "upstream_error", 500: "upstream_error"} {
		if e := said(status, ""); e.Type != kind || e.OfRequest() != (kind == "invalid_request_error") {
			t.Errorf("%d: type %s, of the request: %v", status, e.Type, e.OfRequest())
		}
	}
	if got := string(fault.Invalid("n", "n is %d.", 2).Body()); got != `{"error":{"code":null,"message":"n is 2.","param":"n","type":"invalid_request_error"}}` {
		t.Errorf("body %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name, seconds, ms string
		least, most       time.Duration
	}{
		{"absent", "", "", 0, 0},
		{"seconds", "2", "", 2 * time.Second, 2 * time.Second},
		{"fraction", "0.5", "", time.Second / 2, time.Second / 2},
		{"milliseconds first", "2", "150", 150 * time.Millisecond, 150 * time.Millisecond},
		{"date", date(time.Hour), "", 59 * time.Minute, time.Hour},
		{"date gone by", date(-time.Hour), "", 0, 0},
		{"negative", "-5", "-5", 0, 0},
		{"absurd", "1e300", "Inf", 0, 0},
		{"words", "soon", "NaN", 0, 0},
	}
	for _, tt := range tests {
		resp := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}}
		resp.Header.Set("Retry-After", tt.seconds)
		resp.Header.Set("retry-after-ms", tt.ms)
		if got := fault.OfReply(resp, nil, nil, time.Now()).RetryAfter; got < tt.least || got > tt.most {
			t.Errorf("%s: got %v, want %v to %v", tt.name, got, tt.least, tt.most)
		}
	}
}

func TestResult(t *testing.T) {
	safe := httptest.NewTLSServer(http.NotFoundHandler())
	defer safe.Close()
	safe.Config.ErrorLog = log.New(io.Discard, "", 0)
	bare := httptest.NewServer(http.NotFoundHandler())
	defer bare.Close()
	for _, url := range []string{safe.URL, strings.Replace(bare.URL, "http:", "https:", 1)} {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		if _, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, url, nil)); fault.Result(err) != "tls" {
			t.Errorf("%s: got %v (%s), want tls", url, err, fault.Result(err))
		}
	}
	for _, err := range []error{context.Canceled, errors.Join(fault.ErrTimeout, context.Canceled), errors.Join(&fault.Error{Status: 500}, context.Canceled)} {
		if got := fault.Result(err); got != "cancelled" {
			t.Errorf("%v: got %s, want cancelled", err, got)
		}
	}
}

// TestRedact: a key that is quoted does not go on, however JSON writes it.
func TestRedact(t *testing.T) {
	const key = "sk-4711/0815"
	for _, body := range []string{`{"error":"bad key sk-4711/0815"}`, `{"error":{"message":"bad key sk-4711\/0815"}}`, "bad key sk-4711/0815", `{"error":{"message":"bad key \u0073k-4711/0815"}}`} {
		e := fault.OfReply(&http.Response{StatusCode: 401}, []byte(body), []byte(key), time.Now())
		if e.Message != "bad key [redacted]" {
			t.Errorf("%s: got %q", body, e.Message)
		}
	}
	if got := string(fault.Redact([]byte("a short one"), []byte("short"))); got != "a short one" {
		t.Errorf("got %q", got)
	}
}

// FuzzOfReply: whatever a target says, its error can be told, and read again it
// is the same.
func FuzzOfReply(f *testing.F) {
	for _, body := range []string{`{"error":{"message":"no","type":"t","param":"p","code":7}}`, `[{"error":"no"}]`, `{"detail":"\ud800"}`, "no\xff", "<p>", ""} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := said(http.StatusTooManyRequests, string(body))
		if e.Message == "" || !utf8.ValidString(e.Message+e.Type+e.Param+e.Code) {
			t.Fatalf("%q: got %+v", body, e)
		}
		if again := said(http.StatusTooManyRequests, string(e.Body())); *again != *e {
			t.Fatalf("%q is %+v, read again %+v", body, e, again)
		}
	})
}
