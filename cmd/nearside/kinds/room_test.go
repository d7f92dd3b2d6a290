package kinds_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	asked   atomic.Int32
	renewed chan struct{}
	offered chan string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{cfg: device(), dir: filepath.Join(t.TempDir(), "parcels"), renewed: make(chan struct{}, 16), offered: make(chan string, 16)}
	h.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.asked.Add(1)
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
		Offer: func(_ context.Context, e []byte, from string) { h.offered <- string(e) + " " + from },
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

// TestRoomFetchesSooner than it hears that the document waits: that is offered
// again all the same, once.
func TestRoomFetchesSooner(t *testing.T) {
	h := newHouse(t)
	h.run(t)
	came := h.Came()
	err := h.Hook(seal.KindGate).Validate(t.Context(), &seal.Payload{Kind: seal.KindGate, Files: []seal.File{h.names(trained(t, "open", "close"))}})
	end, look := time.After(time.Minute), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for h.Came() == came {
		select {
		case <-look.C:
		case <-end:
			t.Fatal("the file never came")
		}
	}
	if seal.Reason(err) != trial.WaitsForFiles {
		t.Fatalf("got %v", err)
	}
	h.Waits(kinds.Offer{Envelope: []byte("envelope"), From: "pull"})
	if got := within(t, "offered again", h.offered); got != "envelope pull" || len(h.offered) > 0 {
		t.Errorf("offered %q, and %d more", got, len(h.offered))
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
