package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/written"
	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/daemon"
)

// wall is a device with a clock that is set by hand; it lasts over several lives
// of its daemon.
type wall struct {
	t    *testing.T
	dir  string
	now  atomic.Pointer[time.Time]
	http http.Client
}

// live runs a daemon on real sockets while f looks at it.
func (w *wall) live(year int, f func()) {
	w.t.Helper()
	w.set(year)
	cfg, err := config.Load(filepath.Join(w.dir, "nearside.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	doc, digest, _ := written.DefaultPolicy()
	ctx, stop := context.WithCancel(w.t.Context())
	listens, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: cfg, Policy: &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"}, Log: slog.New(slog.DiscardHandler),
			Built: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Now: func() time.Time { return *w.now.Load() },
			Listens: func() { close(listens) },
		})
	}()
	select {
	case <-listens:
		f()
	case err := <-ended:
		w.t.Fatal(err)
	}
	stop()
	w.http.CloseIdleConnections()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
}

// set sets the clock to the middle of a year.
func (w *wall) set(year int) {
	at := time.Date(year, 7, 1, 12, 0, 0, 0, time.UTC)
	w.now.Store(&at)
}

// asks checks that the same question is answered with the cache's part in it.
func (w *wall) asks(when, cache string) {
	w.t.Helper()
	body := `{"model":"cloud","temperature":0,"messages":[{"role":"user","content":"What time is it?"}]}`
	resp, err := w.http.Post("http://localhost/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if got := resp.Header.Get("x-nearside-cache"); resp.StatusCode != 200 || got != cache {
		w.t.Errorf("%s: got %d, cache %q, want 200, %q: %s", when, resp.StatusCode, got, cache, text)
	}
}

// warned tells whether the status warns of the clock.
func (w *wall) warned() bool {
	w.t.Helper()
	resp, err := w.http.Get("http://localhost/v1/status")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var s status.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		w.t.Fatal(err)
	}
	return slices.ContainsFunc(s.Health, func(c status.Condition) bool { return c.Name == "clock" })
}

// TestClock has the clock wrong, at the start and from one moment to the other:
// every ask is answered, and no answer of unknown age is given.
func TestClock(t *testing.T) {
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cloud := fake.New(fake.Options{})
	t.Cleanup(cloud.Close)
	if err := cloud.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	text := "listen: {socket: " + dir + "/s, http: \"\"}\nstate: " + dir + "/state\nlocal: {disabled: true}\n" +
		"cloud: {targets: [{name: first, kind: openai, base_url: \"" + cloud.URL() + "/v1\", models: {chat: fake-model}}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "nearside.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &wall{t: t, dir: dir}
	w.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}
	last := 0
	for _, start := range []int{2026, 1970, 2100, 2026} {
		w.live(start, func() {
			for _, year := range []int{start, 1970, 2026, 2100, 2026} {
				w.set(year)
				cache := map[bool]string{true: "hit", false: "miss"}[year == last]
				w.asks(fmt.Sprint(year, " after ", last), cache)
				w.asks(fmt.Sprint(year, " again"), "hit")
				if got := w.warned(); got != (year == 1970) {
					t.Errorf("%d: warned of the clock: %t", year, got)
				}
				last = year
			}
		})
	}
}
