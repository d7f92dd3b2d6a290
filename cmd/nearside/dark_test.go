package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/server/control"
	"nearside/agent/server/feed"
	"nearside/cloud/wire"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/policies"
	"nearside/policy/seal"
)

// inProcess runs the daemon of the house in this process, with that clock, until
// the test ends or stop is called.
func (h *house) inProcess(now func() time.Time) (stop func()) {
	h.t.Helper()
	load := func() (*config.Config, *agent.Policy, error) {
		cfg, err := config.Load(filepath.Join(h.dir, "nearside.yaml"))
		if err != nil {
			return nil, nil, err
		}
		cfg.Listen.Socket, cfg.Listen.HTTP, cfg.State = h.socket, "", filepath.Join(h.dir, "state")
		p, err := policies.Load(cfg)
		return cfg, p, err
	}
	cfg, p, err := load()
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: cfg, Policy: p, Load: load, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Release: "dev", Built: built(), Now: now,
			Watch: control.Watch{Logs: feed.New(feed.Options{}), Level: new(slog.LevelVar)}, Listens: func() { close(ready) },
		})
	}()
	stop = sync.OnceFunc(func() {
		h.http.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("the daemon ended with %v: %s", err, &h.log)
		}
	})
	h.t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		h.t.Fatalf("the daemon did not start: %v", err)
	}
	return stop
}

// TestDark: a device that has at boot no broker, no name server and no clock
// answers as always, and catches up when they are there.
func TestDark(t *testing.T) {
	t.Parallel()
	o, hub := newOffice(t), newHub(t)
	hub.Close()
	var clock atomic.Int64 // seconds since 1970
	h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})), strings.Replace(steeredBy, "}", fmt.Sprintf(
		", ring: early, mqtt: {brokers: ['tls://broker.nearside.example:8883', %q]}, pull: {url: 'https://fleet.nearside.example/p', every: 10s}}", "tcp://"+hub.address), 1))
	h.write("root.json", o.root())
	h.inProcess(func() time.Time { return time.Unix(clock.Load(), 0) })
	if r := h.ask(ask{text: "in the dark"}); r.status != http.StatusOK || r.target() != "cloud/first" {
		t.Fatalf("in the dark: %v", r)
	}
	if _, ok := h.finds("clock_unknown", ""); !ok {
		t.Errorf("health: %+v", h.status().Health)
	}
	soon := o.seal(7, ordinary(), func(p *seal.Payload) { p.NotBefore = time.Now().Add(-time.Hour) })
	if _, said := h.apply(soon, 3); !strings.Contains(said, seal.NotYetValid) || !strings.Contains(said, "the clock is not known") {
		t.Errorf("without a clock: %s", said)
	}
	h.inForce(0, "factory")
	h.apply(o.seal(5, ordinary(), func(p *seal.Payload) { p.Issued = time.Now().AddDate(0, -1, 0) }), 0) // its word on the time is too old to help
	h.inForce(5, "probation")

	clock.Store(time.Now().Unix())
	hub.open()
	hub.put("ns/1/acme/pol/early", soon, true)
	h.wish(`{"network":{"value":"metered","ttl_s":60}}`)
	r := hub.report(func(r *wire.Status) bool { return r.Policy.Version == 7 })
	if r.Clock.State != seal.ClockTrusted {
		t.Errorf("report: %+v", r)
	}
	h.inForce(7, "probation")
}
