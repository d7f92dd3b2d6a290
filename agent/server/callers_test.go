package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"

	"nearside/agent/server/callers"
	"nearside/agent/server/status"
)

const (
	robotToken = "robot-0123456789abcdef"
	ownToken   = "owner-0123456789abcdef"
)

// robots is a server that knows one robot, by its token, and whoever runs this
// test, by user id.
func robots(rate callers.Rate) world {
	uid := uint32(os.Geteuid())
	return world{local: says("local/small", "Hi."), rules: &callers.Rules{Token: ownToken, Listed: []callers.Rule{
		{Name: "robot", Token: robotToken, Services: []string{"chat"}, Rate: rate}, {Name: "me", UID: &uid},
	}}}
}

// TestCredentials: one header is looked at, and every way around it is closed.
func TestCredentials(t *testing.T) {
	f := robots(callers.Rate{}).open(t)
	const chat = "/v1/chat/completions"
	good := []string{"Authorization", "Bearer " + robotToken}
	for _, c := range []struct {
		name, method, path string
		head               []string
		status             int
		code               string
	}{
		{"the right token", "POST", chat, good, 200, ""},
		{"none", "POST", chat, nil, 401, "no_token"},
		{"a wrong one", "POST", chat, []string{"Authorization", "Bearer sk-wrong"}, 401, "bad_token"},
		{"two", "POST", chat, append(good, good...), 401, "two_tokens"},
		{"x-api-key", "POST", chat, []string{"x-api-key", robotToken}, 401, "no_token"},
		{"in the URL", "POST", chat + "?api_key=" + robotToken + "&access_token=" + robotToken + "&key=" + robotToken, nil, 401, "no_token"},
		{"as a cookie", "POST", chat, []string{"Cookie", "token=" + robotToken}, 401, "no_token"},
		{"as a proxy's", "POST", chat, []string{"Proxy-Authorization", "Bearer " + robotToken}, 401, "no_token"},
		{"as a password", "POST", chat, []string{"Authorization", "Basic OnJvYm90LTAxMjM0NTY3ODlhYmNkZWY="}, 401, "no_token"},
		{"models", "GET", "/v1/models", good, 200, ""},
		{"nothing there", "GET", "/v1/nothing", good, 404, "unknown_url"},
		{"nothing there, by nobody", "GET", "/v1/nothing", nil, 401, "no_token"},
		{"another's decisions", "GET", "/v1/decisions", good, 403, "service"},
		{"status", "GET", "/v1/status", good, 403, "service"},
		{"status by the owner", "GET", "/v1/status", []string{"Authorization", "Bearer " + ownToken}, 200, ""},
		{"health", "GET", "/healthz", nil, 200, ""},
		{"readiness", "GET", "/readyz", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := ""
			if c.method == http.MethodPost {
				body = hello
			}
			got := f.call(f.tcp, c.method, c.path, body, c.head...)
			if got.status != c.status || got.fault.Code != c.code {
				t.Errorf("%d %q, want %d %q: %s", got.status, got.fault.Code, c.status, c.code, got.body)
			}
			if asks := got.header.Get("WWW-Authenticate"); (got.status == 401) != (asks == "Bearer") {
				t.Errorf("WWW-Authenticate %q", asks)
			}
		})
	}
	if got := f.call(f.unix, "POST", chat, hello); got.status != 200 {
		t.Errorf("on the socket the user counts: %d %s", got.status, got.body)
	}
}

// TestRateOverHTTP: the reply says when to come again, in the form the clients
// of the field read.
func TestRateOverHTTP(t *testing.T) {
	f := robots(callers.Rate{PerMinute: 1, Burst: 1}).open(t)
	ask := func() reply { return f.chat(hello, "Authorization", "Bearer "+robotToken) }
	if got := ask(); got.status != 200 {
		t.Fatalf("the first: %d %s", got.status, got.body)
	}
	got := ask()
	got.refused(t, "the second", 429, "rate_limit_error", "rate", "", "rate")
	s, _ := strconv.Atoi(got.header.Get("Retry-After"))
	ms, _ := strconv.Atoi(got.header.Get("retry-after-ms"))
	if s < 1 || s > 60 || ms < 1 || ms > 60_000 || got.header.Get("x-should-retry") != "" {
		t.Errorf("Retry-After %d, retry-after-ms %d, x-should-retry %q", s, ms, got.header.Get("x-should-retry"))
	}
	if got := f.call(f.tcp, "GET", "/v1/models", "", "Authorization", "Bearer "+robotToken); got.status != 200 {
		t.Errorf("what is no ask has no rate: %d", got.status)
	}
}

// TestShareOverHTTP: who has its share in flight waits, the others do not; who
// goes away gives its place back.
func TestShareOverHTTP(t *testing.T) {
	release := make(chan struct{})
	w := robots(callers.Rate{})
	w.rules.Asks, w.rules.Listed[0].Share = 2, 0.5
	w.local = slowly(release, says("local/small", "Hi."))
	f := w.open(t)
	resp := make(chan reply)
	go func() { resp <- f.chat(hello, "Authorization", "Bearer "+robotToken) }()
	for f.figures("robot").InFlight == 0 { // each look is a call to the server
	}
	f.chat(hello, "Authorization", "Bearer "+robotToken).refused(t, "over its share", 429, "rate_limit_error", "share", "", "share")
	close(release)
	if got := <-resp; got.status != 200 {
		t.Errorf("inside its share: %d %s", got.status, got.body)
	}
	if got := f.call(f.unix, "POST", "/v1/chat/completions", hello); got.status != 200 {
		t.Errorf("another caller: %d %s", got.status, got.body)
	}
	if got := f.chat(hello, "Authorization", "Bearer "+robotToken); got.status != 200 {
		t.Errorf("after it: %d %s", got.status, got.body)
	}
}

func (f *face) status() status.Status {
	f.t.Helper()
	var s status.Status
	if err := json.Unmarshal([]byte(f.call(f.unix, "GET", "/v1/status", "").body), &s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *face) figures(name string) callers.Figures {
	f.t.Helper()
	for _, c := range f.status().Callers {
		if c.Name == name {
			return c
		}
	}
	f.t.Fatalf("no caller %s in the status", name)
	return callers.Figures{}
}

// TestCallerIsRecorded: the record has the caller's name, the status its
// figures, and what was refused is counted by reason.
func TestCallerIsRecorded(t *testing.T) {
	recorded := make(records, 2)
	w := robots(callers.Rate{})
	w.recorder = recorded
	f := w.open(t)
	f.chat(hello, "Authorization", "Bearer "+robotToken)
	if got := (<-recorded).Caller; got != "robot" {
		t.Errorf("caller %q", got)
	}
	f.call(f.unix, "POST", "/v1/chat/completions", hello)
	if got := (<-recorded).Caller; got != "me" {
		t.Errorf("caller %q", got)
	}
	f.chat(hello, "Authorization", "Bearer sk-wrong")
	f.chat(hello, "Host", "evil.example")
	f.chat(hello, "Origin", "https://evil.example")
	f.call(f.tcp, "GET", "/v1/status", "", "Authorization", "Bearer "+robotToken)
	s := f.status()
	for reason, want := range map[string]int64{"bad_token": 1, "host": 1, "origin": 1, "service": 1, "no_token": 0} {
		if got := s.Refused[reason]; got != want {
			t.Errorf("refused for %s: %d, want %d", reason, got, want)
		}
	}
	if got := f.figures("robot"); got.Requests != 2 || got.Refused["service"] != 1 || got.InFlight != 0 {
		t.Errorf("figures %+v", got)
	}
}

// TestNothingChangesOnGet: what a link or an image can make a browser send does
// not change the daemon.
func TestNothingChangesOnGet(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	for _, path := range []string{"/v1/config/reload", "/v1/chat/completions", "/v1/embeddings", "/v1/explain", "/v1/call/items"} {
		for _, method := range []string{"GET", "HEAD"} {
			if got := f.call(f.tcp, method, path, ""); got.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
}
