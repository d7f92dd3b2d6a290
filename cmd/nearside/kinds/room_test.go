package kinds_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/cmd/nearside/kinds"
	"nearside/policy"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// house is a room in a device, and a server of files.
type house struct {
	*kinds.Room
	cfg     *config.Config
	dir     string
	server  *httptest.Server
	content []byte
	hold    atomic.Pointer[chan struct{}] // files come when it is closed
	asked   atomic.Int32
	renewed chan struct{}
	offered chan string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{cfg: device(), dir: filepath.Join(t.TempDir(), "parcels"), renewed: make(chan struct{}, 16), offered: make(chan string, 16)}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.asked.Add(1)
		if hold := h.hold.Load(); hold != nil {
			<-*hold
		}
		_, _ = w.Write(h.content)
	}))
	t.Cleanup(h.server.Close)
	h.Room = kinds.NewRoom(h.options())
	return h
}

func (h *house) options() kinds.Options {
	return kinds.Options{
		Dir: h.dir, Via: func() (http.RoundTripper, error) { return h.server.Client().Transport, nil },
		Online: func() bool { return true }, Metered: func() bool { return false },
		Given: func() (*config.Config, *policy.Document) { return h.cfg, nil },
		Renew: func() { h.renewed <- struct{}{} }, Log: slog.New(slog.DiscardHandler),
		Offer: func(_ context.Context, e []byte, from string) error {
			h.offered <- string(e) + " " + from
			return errors.New("it is still being looked at")
		},
	}
}

// run has the room run until the test ends or stop is called.
func (h *house) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// names a file of the server.
func (h *house) names(content []byte) seal.File {
	h.content = content
	sum := sha256.Sum256(content)
	return seal.File{Name: "shop.gate", URL: h.server.URL + "/shop.gate", SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content))}
}

// holds has no file come until it is closed.
func (h *house) holds() chan struct{} {
	hold := make(chan struct{})
	h.hold.Store(&hold)
	return hold
}

func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("never: " + what)
	}
	panic("not reached")
}

func gateOf(h *house) string {
	if g := h.Over(h.cfg, nil).Local.Gate; g != nil {
		return g.Name()
	}
	return ""
}

// TestRoomFetches: a document waits for its file, is offered again when that is
// here, is in force then, and again after a restart, though the file was lost.
func TestRoomFetches(t *testing.T) {
	h := newHouse(t)
	p := &seal.Payload{Kind: seal.KindGate, Files: []seal.File{h.names(trained(t, "open", "close"))}}
	stop := h.run(t)
	hook := h.Hook(seal.KindGate)
	err := hook.Validate(t.Context(), p)
	if seal.Reason(err) != trial.WaitsForFiles {
		t.Fatalf("got %v", err)
	}
	h.Waits(kinds.Offer{Envelope: []byte("envelope"), From: "pull"})
	h.Waits(kinds.Offer{Envelope: []byte("envelope"), From: "pull"})
	if got := within(t, "offered again", h.offered); got != "envelope pull" {
		t.Errorf("offered %q", got)
	}
	if err := hook.Validate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if gateOf(h) != "" {
		t.Error("in force before it was applied")
	}
	if err := hook.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	within(t, "renewed", h.renewed)
	if gateOf(h) != "gate-shop" || h.asked.Load() != 1 {
		t.Errorf("in force is %q, asked %d times", gateOf(h), h.asked.Load())
	}

	stop()
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	again := &house{cfg: h.cfg, dir: h.dir, server: h.server, renewed: make(chan struct{}, 16), offered: h.offered}
	again.Room = kinds.NewRoom(again.options())
	if err := again.Hook(seal.KindGate).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if said := again.Said(); len(said) != 1 || !strings.Contains(said[0].Text, "are not here any more") || gateOf(again) != "" {
		t.Errorf("got %+v", said)
	}
	within(t, "renewed without it", again.renewed)
	again.run(t)
	within(t, "renewed with it", again.renewed)
	if gateOf(again) != "gate-shop" || len(again.Said()) > 0 || len(again.Missing()) > 0 {
		t.Errorf("in force is %q, %+v", gateOf(again), again.Said())
	}
}

// TestRoomFetchesSooner than it hears that the document waits, since another one
// names the same file: that is offered again all the same.
func TestRoomFetchesSooner(t *testing.T) {
	h := newHouse(t)
	h.run(t)
	file, hook := h.names(trained(t, "open", "close")), h.Hook(seal.KindGate)
	looked := func(version int64) {
		t.Helper()
		if err := hook.Validate(t.Context(), &seal.Payload{Kind: seal.KindGate, Version: version, Files: []seal.File{file}}); seal.Reason(err) != trial.WaitsForFiles {
			t.Fatalf("got %v", err)
		}
	}
	looked(1)
	hold := h.holds()
	h.Waits(kinds.Offer{Envelope: []byte("one"), From: "pull"})
	looked(2)
	close(hold)
	if got := within(t, "the first is offered again", h.offered); got != "one pull" {
		t.Errorf("offered %q", got)
	}
	h.Waits(kinds.Offer{Envelope: []byte("two"), From: "pull"})
	if got := within(t, "offered again", h.offered); got != "two pull" {
		t.Errorf("offered %q", got)
	}
}

// TestRoomNewestWaits: of documents that all wait for files, the newest is fetched
// for and offered, once, whichever came last; the others neither hold it up nor
// come back. One that is newer than what was put in force goes on waiting.
func TestRoomNewestWaits(t *testing.T) {
	h := newHouse(t)
	h.run(t)
	good, hook := h.names(trained(t, "open", "close")), h.Hook(seal.KindGate)
	never := good
	never.SHA256 = strings.Repeat("0", 64)
	document := func(version int64, f seal.File) *seal.Payload {
		return &seal.Payload{Kind: seal.KindGate, Version: version, Files: []seal.File{f}}
	}
	waits := func(p *seal.Payload, words string) {
		t.Helper()
		err := hook.Validate(t.Context(), p)
		if seal.Reason(err) != trial.WaitsForFiles || !strings.Contains(err.Error(), words) {
			t.Fatalf("got %v, want %s", err, words)
		}
		h.Waits(kinds.Offer{Envelope: fmt.Append(nil, p.Version), From: "mqtt"})
	}
	hold := h.holds()
	waits(document(7, never), "is being fetched")
	waits(document(9, good), "is being fetched")
	waits(document(8, never), "version 9, which is newer, waits")
	close(hold)
	if got := within(t, "offered again", h.offered); got != "9 mqtt" {
		t.Errorf("offered %q", got)
	}
	takes := func(p *seal.Payload) {
		t.Helper()
		if err := errors.Join(hook.Validate(t.Context(), p), hook.Apply(t.Context(), p)); err != nil {
			t.Fatal(err)
		}
		within(t, "renewed", h.renewed)
	}
	takes(document(9, good))
	waits(document(11, never), "is being fetched")
	takes(document(10, good))
	if m := h.Missing(); gateOf(h) != "gate-shop" || len(m) != 1 || len(h.offered) > 0 {
		t.Errorf("in force is %q, missing %+v, and %d were offered", gateOf(h), m, len(h.offered))
	}
	if err := hook.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if m := h.Missing(); gateOf(h) != "" || len(m) > 0 {
		t.Errorf("in force is %q, missing %+v after all was dropped", gateOf(h), m)
	}
}

// TestRoomRefuses what does not fit, and leaves what is in force.
func TestRoomRefuses(t *testing.T) {
	h := newHouse(t)
	h.run(t)
	f := func(kind, want string, p *seal.Payload) {
		t.Helper()
		p.Kind = kind
		err := h.Hook(kind).Validate(t.Context(), p)
		if seal.Reason(err) != trial.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(seal.KindPrices, "prices.a: input is missing", &seal.Payload{Body: "prices: {a: {}}"})
	f(seal.KindTargets, "goes to its own host", &seal.Payload{Body: "targets: [{name: x, base_url: 'https://evil.example', key_of: first, models: {chat: m}, price: {input: 9, output: 9}}]"})
	bad := &seal.Payload{Kind: seal.KindGate, Files: []seal.File{h.names([]byte("no gate"))}}
	err := h.Hook(seal.KindGate).Validate(t.Context(), bad)
	if seal.Reason(err) != trial.WaitsForFiles {
		t.Fatalf("got %v", err)
	}
	h.Waits(kinds.Offer{Envelope: []byte("x"), From: "usb"})
	within(t, "offered again", h.offered)
	f(seal.KindGate, "not a gate file", bad)
	nowhere := kinds.NewRoom(kinds.Options{Given: h.options().Given})
	if err := nowhere.Hook(seal.KindGate).Validate(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "no state folder") {
		t.Errorf("got %v", err)
	}
}

// TestRoomFollows the config: what does not fit any more is told and left out,
// and holds again when it does; what is dropped is gone.
func TestRoomFollows(t *testing.T) {
	h := newHouse(t)
	p := &seal.Payload{Kind: seal.KindTargets, Body: "targets: [{name: first, models: {chat: n}, price: {input: 1, output: 9}}]"}
	if err := h.Hook(seal.KindTargets).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	model := func() string { return h.Over(h.cfg, nil).Cloud.Targets[0].Models["chat"] }
	if model() != "n" {
		t.Fatal("not in force")
	}
	h.cfg = device()
	h.cfg.Cloud.Targets[0] = h.cfg.Cloud.Targets[2]
	h.cfg.Cloud.Targets[0].Name = "first"
	if model() != "" || len(h.Said()) != 1 || !h.Said()[0].Whole {
		t.Errorf("got %q, %+v", model(), h.Said())
	}
	h.cfg = device()
	if model() != "n" || len(h.Said()) > 0 {
		t.Errorf("got %q, %+v", model(), h.Said())
	}
	h.Drop()
	if model() != "big" {
		t.Error("in force after it was dropped")
	}
	if err := h.Hook(seal.KindTargets).Apply(t.Context(), &seal.Payload{Kind: seal.KindTargets, Body: "x: 1"}); err == nil {
		t.Error("a body that cannot be read was applied")
	}
}
