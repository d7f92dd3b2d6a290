package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"nearside/agent/server"
	"nearside/agent/server/control"
	"nearside/agent/server/feed"
)

// FuzzHeaders: whatever the headers say, the request is answered or refused
// with the name of a header, and what comes back is fit for a header.
func FuzzHeaders(f *testing.F) {
	f.Add("auto", "normal", "5000", "0.01", "never", "no-cache, max-age=5, max-stale", "abc", "localhost:1")
	f.Add("LOCAL", "private", "-1", "NaN", "only", "max-age=\"7\",,=,only-if-cached", "a b", "[::1]")
	f.Add("", "", "1e3", "1e-400", "", "max-stale=99999999999999999999", "\x7f", "]:")
	h := world{local: says("local/small", "Hi."), cloud: says("cloud/first", "Hi."), cache: &memory{value: map[string][]byte{}}}.server().Handler()
	f.Fuzz(func(t *testing.T, mode, privacy, deadline, cost, later, cache, id, host string) {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/chat/completions", strings.NewReader(hello))
		r.Host = host
		for name, v := range map[string]string{
			"x-nearside-mode": mode, "x-nearside-privacy": privacy, "x-nearside-deadline-ms": deadline, "x-nearside-max-cost": cost,
			"x-nearside-defer": later, "Cache-Control": cache, "x-request-id": id,
		} {
			r.Header.Set(name, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 403, 422, 501, 504:
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if got := w.Header().Get("x-request-id"); got == "" || strings.ContainsFunc(got, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Errorf("x-request-id %q", got)
		}
		if w.Code != 200 && !strings.HasPrefix(w.Body.String(), `{"error":{`) {
			t.Errorf("status %d without an error: %s", w.Code, w.Body)
		}
	})
}

// FuzzLogs: whatever is asked of the log, it is told or refused with the name
// of what is wrong.
func FuzzLogs(f *testing.F) {
	f.Add("level=warn&since=2026-01-31T12:00:00Z", `{"level":"debug"}`)
	f.Add("level=&follow=maybe&since=yesterday", `{"level":7}`)
	f.Add("level=%zz;", "")
	logs := feed.New(feed.Options{})
	slog.New(logs.Handler(slog.LevelInfo)).Info("hello")
	h := server.New(server.Options{
		Control: control.Routes{Watch: control.Watch{Logs: logs, Level: new(slog.LevelVar), Config: func() string { return "info" }}},
		Doors:   server.Doors{Hosts: []string{"localhost"}}, Log: slog.New(slog.DiscardHandler),
	}).Handler()
	f.Fuzz(func(t *testing.T, query, body string) {
		gone, leave := context.WithCancel(t.Context())
		leave() // for those who follow
		for method, path := range map[string]string{http.MethodGet: "/v1/logs", http.MethodPut: "/v1/logs/level"} {
			r := httptest.NewRequestWithContext(gone, method, "http://localhost/", strings.NewReader(body))
			r.URL = &url.URL{Path: path, RawQuery: query}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 && (w.Code != 400 || !strings.HasPrefix(w.Body.String(), `{"error":{`)) {
				t.Errorf("%s %s: status %d: %s", method, path, w.Code, w.Body)
			}
		}
	})
}
