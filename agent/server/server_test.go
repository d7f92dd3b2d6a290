package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// TestRefusals goes through the reasons for which a good request gets no
// answer: status, type, code and param of each.
func TestRefusals(t *testing.T) {
	status := func(n int, wait time.Duration) error {
		return &fault.Error{Status: n, Type: "upstream", Message: "no", RetryAfter: wait}
	}
	for _, c := range []struct {
		name  string
		world world
		body  string
		head  []string

		status            int
		kind, code, param string
	}{
		{"unknown model", world{}, turn(`"model":"gpt-9"`), nil, 404, "invalid_request_error", "model_not_found", "model"},
		{"unknown target", world{}, turn(`"model":"cloud/second"`), nil, 404, "invalid_request_error", "model_not_found", "model"},
		{"mode against target", world{}, turn(`"model":"cloud/first"`), []string{"x-nearside-mode", "local"}, 400, "invalid_request_error", "", "model"},
		{"private, by model and mode", world{}, turn(`"model":"private"`), []string{"x-nearside-mode", "cloud"}, 422, "policy_blocked", "policy_blocked", ""},
		{"private to a cloud target", world{}, turn(`"model":"cloud/first"`), []string{"x-nearside-privacy", "private"}, 422, "policy_blocked", "policy_blocked", ""},
		{"private, local down", world{}, hello, []string{"x-nearside-privacy", "private"}, 422, "policy_blocked", "policy_blocked", ""},
		{"offline", world{network: "offline"}, hello, nil, 503, "offline_no_route", "offline_no_route", ""},
		{"offline, cloud asked for", world{network: "offline", local: says("local/small", "Hi.")}, turn(`"model":"cloud"`), nil, 503, "offline_no_route", "offline_no_route", ""},
		{"nothing kept", world{cache: &memory{}}, hello, []string{"Cache-Control", "only-if-cached"}, 504, "timeout", "only_if_cached", ""},
		{"over budget", world{}, turn(`"model":"cloud"`), []string{"x-nearside-max-cost", "0.01"}, 422, "policy_blocked", "over_budget", ""},
		{"queue full", world{local: fails("local/small", fault.ErrBusy)}, turn(`"model":"local"`), nil, 429, "rate_limit_error", "queue_full", ""},
		{"rate limit", world{cloud: fails("cloud/first", status(429, 7*time.Second))}, turn(`"model":"cloud"`), nil, 429, "upstream", "", ""},
		{"upstream bad", world{cloud: fails("cloud/first", status(500, 0))}, turn(`"model":"cloud"`), nil, 502, "upstream_error", "upstream_error", ""},
		{"upstream broken", world{cloud: fails("cloud/first", fault.ErrBroken)}, turn(`"model":"cloud"`), nil, 502, "upstream_error", "upstream_error", ""},
		{"upstream refuses the key", world{cloud: fails("cloud/first", status(401, 0))}, turn(`"model":"cloud"`), nil, 502, "upstream_error", "upstream_error", ""},
		{"upstream slow", world{cloud: fails("cloud/first", fault.ErrTimeout)}, turn(`"model":"cloud"`), nil, 504, "timeout", "deadline_exceeded", ""},
		{"no target", world{}, hello, nil, 503, "no_route", "no_route", ""},
		{"not built: defer", world{}, hello, []string{"x-nearside-defer", "Only"}, 501, "not_implemented", "not_implemented", ""},
	} {
		for _, stream := range []string{"", `"stream":true,`} {
			t.Run(c.name+stream, func(t *testing.T) {
				f := c.world.open(t)
				got := f.chat("{"+stream+c.body[1:], c.head...)
				got.refused(t, c.name, c.status, c.kind, c.code, c.param, "")
			})
		}
	}
}

// TestWrongRequestGoesToTheCaller: what a target read and found wrong comes
// back in the target's words, and nobody else is asked.
func TestWrongRequestGoesToTheCaller(t *testing.T) {
	wrong := &fault.Error{Status: 400, Type: "invalid_request_error", Code: "bad_tool", Param: "tools[0]", Message: "The tool is wrong."}
	f := world{cloud: fails("cloud/first", wrong)}.open(t)
	f.chat(turn(`"model":"cloud"`)).refused(t, "wrong", 400, "invalid_request_error", "bad_tool", "tools[0]", "The tool is wrong.")
}

// TestSlowTarget: one that used up less time than the ask had, in a handshake
// say, is late all the same, but no deadline has passed.
func TestSlowTarget(t *testing.T) {
	f := world{cloud: fails("cloud/first", fault.ErrTimeout)}.open(t)
	got := f.chat(turn(`"model":"cloud"`), "x-nearside-deadline-ms", "60000")
	got.refused(t, "late", 504, "timeout", "deadline_exceeded", "", "No target answered in time. See /v1/decisions/{id} for what each target did")
}

func TestRetryAfter(t *testing.T) {
	f := world{cloud: fails("cloud/first", &fault.Error{Status: 429, Type: "rate_limit_error", Message: "slowly", RetryAfter: 7 * time.Second})}.open(t)
	got := f.chat(turn(`"model":"cloud"`))
	if s, ms := got.header.Get("Retry-After"), got.header.Get("retry-after-ms"); s != "7" || ms != "7000" {
		t.Errorf("Retry-After %q, retry-after-ms %q, want 7 and 7000", s, ms)
	}
}

func TestRoutes(t *testing.T) {
	f := world{ready: errors.New("nothing can answer")}.open(t)
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/healthz", 200, "", ""},
		{"HEAD", "/healthz", 200, "", ""},
		{"GET", "/readyz", 503, "", ""},
		{"GET", "/v1/status", 200, "", ""},
		{"GET", "/v1/models", 200, "", ""},
		{"GET", "/v1/models/local/small", 200, "", ""},
		{"GET", "/v1/models/gpt-9", 404, "model_not_found", ""},
		{"GET", "/v1/decisions", 200, "", ""},
		{"GET", "/v1/decisions?limit=0", 400, "", ""},
		{"GET", "/v1/decisions?limit=many", 400, "", ""},
		{"GET", "/v1/decisions?limit=1001", 400, "", ""},
		{"GET", "/v1/decisions/d1", 404, "decision_not_found", ""},
		{"GET", "/v1/decisions/d1/d2", 404, "unknown_url", ""},
		{"POST", "/v1/call/", 404, "unknown_url", ""},
		{"GET", "/v1/chat/completions", 405, "method_not_allowed", "POST"},
		{"DELETE", "/v1/chat/completions", 405, "method_not_allowed", "POST"},
		{"POST", "/v1/status", 405, "method_not_allowed", "GET"},
		{"GET", "/v1/explain", 405, "method_not_allowed", "POST"},
		{"PUT", "/v1/models", 405, "method_not_allowed", "GET"},
		{"GET", "/", 404, "unknown_url", ""},
		{"POST", "/v1/completions", 404, "unknown_url", ""},
		{"POST", "/v1/embeddings", 400, "", ""},
		{"GET", "/v1/embeddings", 405, "method_not_allowed", "POST"},
		{"POST", "/v1/responses", 501, "not_implemented", ""},
		{"GET", "/v1/responses/r1", 501, "not_implemented", ""},
		{"POST", "/v1/responses/r1/cancel", 501, "not_implemented", ""},
		{"POST", "/v1/batches", 501, "not_implemented", ""},
		{"POST", "/v1/files", 501, "not_implemented", ""},
		{"POST", "/v1/call/items", 400, "", ""},
		{"POST", "/v1/call/chat", 404, "service_not_found", ""},
		{"GET", "/v1/call/items", 405, "method_not_allowed", "POST"},
		{"POST", "/v1/feedback", 501, "not_implemented", ""},
		{"GET", "/v1/events", 501, "not_implemented", ""},
		{"PUT", "/v1/device/signals", 501, "not_implemented", ""},
		{"GET", "/metrics", 501, "not_implemented", ""},
		{"POST", "/metrics", 405, "method_not_allowed", "GET"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			got := f.call(f.tcp, c.method, c.path, "")
			if got.status != c.status || got.fault.Code != c.code || got.header.Get("Allow") != c.allow {
				t.Errorf("status %d, code %q, Allow %q: %s", got.status, got.fault.Code, got.header.Get("Allow"), got.body)
			}
			if isError := got.fault.Message != ""; isError != (c.status >= 400 && c.path != "/readyz") {
				t.Errorf("error object %v with status %d: %s", isError, c.status, got.body)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	for sent, kept := range map[string]bool{
		"abc-123":                true,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		"two words":              false,
		"naïve":                  false,
		"":                       false,
	} {
		got := f.chat(hello, "x-request-id", sent).header.Get("x-request-id")
		if (got == sent) != kept {
			t.Errorf("sent %q, got %q", sent, got)
		}
		if !kept && !strings.HasPrefix(got, "req_") {
			t.Errorf("sent %q, got %q, want an id of our own", sent, got)
		}
	}
}

// TestHeaders checks what a reply says about itself, by where it came from.
func TestHeaders(t *testing.T) {
	kept := &memory{value: map[string][]byte{}}
	up := world{local: says("local/small", "Paris."), cache: kept}
	down := world{local: fails("local/small", fault.ErrDown), cache: kept, network: "offline"}
	cloud := world{local: fails("local/small", fault.ErrDown), cloud: says("cloud/first", "Paris.")}
	body := turn(`"temperature":0`)

	check := func(name string, got reply, want map[string]string) {
		t.Helper()
		if got.status != http.StatusOK || !strings.Contains(got.body, "Paris.") {
			t.Fatalf("%s: %d %s", name, got.status, got.body)
		}
		for h, v := range want {
			if got.header.Get(h) != v {
				t.Errorf("%s: %s is %q, want %q", name, h, got.header.Get(h), v)
			}
		}
		complete(t, name, got.header)
	}
	check("local", up.open(t).chat(body), map[string]string{
		"x-nearside-route": "local", "x-nearside-target": "local/small", "x-nearside-model": "m-1", "x-nearside-reason": "local_first",
		"x-nearside-attempts": "1", "x-nearside-cache": "miss", "x-nearside-degraded": "", "Age": "", "Content-Type": "application/json",
	})
	kept.grow(90500 * time.Millisecond)
	check("cache", up.open(t).chat(body), map[string]string{
		"x-nearside-route": "cache", "x-nearside-target": "local/small", "x-nearside-model": "m-1", "x-nearside-reason": "cache_fresh",
		"x-nearside-attempts": "0", "x-nearside-cache": "hit", "x-nearside-age": "90", "Age": "90", "x-nearside-degraded": "",
	})
	check("bypass", up.open(t).chat(body, "Cache-Control", "no-store"), map[string]string{"x-nearside-route": "local", "x-nearside-cache": "bypass"})
	check("too old", up.open(t).chat(body, "Cache-Control", "max-age=60"), map[string]string{"x-nearside-route": "local", "x-nearside-cache": "miss"})
	kept.grow(3*time.Hour + time.Second/2)
	check("stale", down.open(t).chat(body), map[string]string{
		"x-nearside-route": "stale", "x-nearside-target": "local/small", "x-nearside-reason": "offline",
		"x-nearside-cache": "stale", "x-nearside-age": "10800", "Age": "10800", "x-nearside-degraded": "1",
	})
	check("cloud", cloud.open(t).chat(body), map[string]string{
		"x-nearside-route": "cloud", "x-nearside-target": "cloud/first", "x-nearside-reason": "local_unavailable", "x-nearside-attempts": "1",
	})
	check("too old by one of two", up.open(t).chat(body, "Cache-Control", "max-age=60, max-age=6000"), map[string]string{"x-nearside-route": "local", "x-nearside-cache": "miss"})
	down.open(t).chat(body, "Cache-Control", "max-stale=0, max-stale=86400").refused(t, "too stale by one of two", 503, "offline_no_route", "offline_no_route", "", "")
	down.open(t).chat(body, "Cache-Control", "max-stale=60").refused(t, "too stale", 503, "offline_no_route", "offline_no_route", "", "")
}

// complete checks what every reply has.
func complete(t *testing.T, name string, h http.Header) {
	t.Helper()
	for _, want := range []string{"x-request-id", "x-nearside-decision", "x-nearside-policy"} {
		if h.Get(want) == "" {
			t.Errorf("%s: no %s", name, want)
		}
	}
	if p := h.Get("x-nearside-policy"); !strings.HasPrefix(p, "0@") || len(p) != len("0@12345678") {
		t.Errorf("%s: policy %q", name, p)
	}
	timing := h.Get("Server-Timing")
	if !strings.Contains(timing, "policy;dur=") || !strings.Contains(timing, "total;dur=") {
		t.Errorf("%s: Server-Timing %q", name, timing)
	}
}

func TestIgnoredFieldsAreNamed(t *testing.T) {
	local := answerer(func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		r, err := says("local/small", "Hi.")(ctx, call)
		r.Ignored = []string{"verbosity"}
		return r, err
	})
	got := world{local: local}.open(t).chat(turn(`"verbosity":"low"`))
	if w := got.header.Get("x-nearside-warnings"); got.status != 200 || w != "ignored=verbosity" {
		t.Errorf("status %d, x-nearside-warnings %q", got.status, w)
	}
}

// TestModelInHeaders: whatever a target calls its model, headers stay headers,
// and small enough for clients.
func TestModelInHeaders(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{"m-1", "m-1"},
		{"m\r\nSet-Cookie: a=b", "mSet-Cookie: a=b"},
		{"größe\x00", "gre"},
		{strings.Repeat("m", 100_000), strings.Repeat("m", 1024)},
	} {
		named := func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
			reply, err := says("local/small", "Paris.")(ctx, call)
			reply.Answer.Model = c.model
			return reply, err
		}
		got := world{local: named}.open(t).chat(turn(`"temperature":1`))
		if model := got.header.Get("x-nearside-model"); got.status != http.StatusOK || model != c.want || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%.40q: %d, x-nearside-model %.40q, %d bytes", c.model, got.status, model, len(model))
		}
	}
}

// TestAsked: who wants to know is told of each ask how many are being answered
// with it, and of nothing else.
func TestAsked(t *testing.T) {
	told, release := make(chan int64, 10), make(chan struct{})
	f := world{local: slowly(release, says("local/small", "Hi.")), asked: func(n int64) { told <- n }}.open(t)
	both := make(chan reply)
	for want := range int64(2) {
		go func() { both <- f.call(f.unix, "POST", "/v1/chat/completions", hello) }()
		if got := <-told; got != want+1 {
			t.Errorf("told of %d, want %d", got, want+1)
		}
	}
	f.call(f.unix, "GET", "/v1/status", "")
	close(release)
	for range 2 {
		if got := <-both; got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	f.call(f.unix, "POST", "/v1/chat/completions", hello)
	if <-told; len(told) > 0 {
		t.Error("told of what was no ask")
	}
}
