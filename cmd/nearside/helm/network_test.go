package helm

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/server/steering"
	"nearside/cloud/network"
	"nearside/cloud/pull"
	"nearside/cmd/nearside/kinds"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// line is a broker that remembers what it was told.
type line struct{ told []string }

func (*line) Run(context.Context) error { return nil }
func (w *line) Wake()                   {}
func (w *line) Online()                 { w.told = append(w.told, "online") }
func (w *line) Away()                   { w.told = append(w.told, "away") }
func (*line) stand() *steering.Broker   { return nil }

// TestNetwork: who steers is told of what became of the network between two
// looks, also when it is the same at both and was another between them.
func TestNetwork(t *testing.T) {
	view := func(state, source string, since int64) network.View {
		return network.View{State: state, Source: source, Since: time.Unix(since, 0)}
	}
	for _, c := range []struct {
		name    string
		was, is network.View
		want    []string
	}{
		{"nothing", view(network.Online, network.ByCalls, 1), view(network.Online, network.ByCalls, 1), nil},
		{"another source", view(network.Online, network.ByCalls, 1), view(network.Online, network.ByProbe, 1), nil},
		{"no link", view(network.Online, network.ByCalls, 1), view(network.Offline, network.ByLink, 2), []string{"away"}},
		{"calls reach nobody", view(network.Online, network.ByCalls, 1), view(network.Offline, network.ByCalls, 2), nil},
		{"back", view(network.Offline, network.ByLink, 1), view(network.Unknown, network.ByLink, 2), []string{"online"}},
		{"gone and back", view(network.Online, network.ByCalls, 1), view(network.Online, network.ByCalls, 2), []string{"online"}},
		{"back and gone", view(network.Offline, network.ByHost, 1), view(network.Offline, network.ByHost, 2), []string{"away"}},
	} {
		h, to := &Helm{o: Options{Device: still{}}, room: kinds.NewRoom(kinds.Options{})}, &line{}
		h.Network(c.was)
		h.watch.Store(&watch{helm: h, link: to})
		h.Network(c.is)
		h.Network(c.is)
		if !slices.Equal(to.told, c.want) {
			t.Errorf("%s: told %v, want %v", c.name, to.told, c.want)
		}
	}
}

// thrifty is a device where bytes cost money at times.
type thrifty struct {
	still
	now *atomic.Bool
}

func (d thrifty) Frugal() bool { return d.now.Load() }

// asked is how files are asked for; none comes.
type asked chan time.Time

func (a asked) RoundTrip(*http.Request) (*http.Response, error) {
	a <- time.Now()
	return nil, errors.New("not now")
}

// TestFreeAgain: a large file that waits for a network where bytes cost nothing is
// asked for at the first look at such a one, though it is online as before.
func TestFreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, a := thrifty{now: &atomic.Bool{}}, make(asked, 8)
		d.now.Store(true)
		h := &Helm{o: Options{Device: d}, room: kinds.NewRoom(kinds.Options{
			Dir: t.TempDir(), Via: func() (http.RoundTripper, error) { return a, nil }, Log: slog.New(slog.DiscardHandler),
			Online: func() bool { return true }, Metered: d.Frugal,
		})}
		h.watch.Store(&watch{helm: h})
		look := func() { h.Network(network.View{State: network.Unknown}) }
		look()
		p := seal.Payload{Kind: seal.KindGate, Version: 1, Files: []seal.File{{Name: "a.gate", URL: "https://files.example/a", SHA256: strings.Repeat("a", 64), Bytes: 1 << 20}}}
		if err := h.room.Hook(p.Kind).Validate(t.Context(), &p); seal.Reason(err) != trial.WaitsForFiles {
			t.Fatalf("got %v", err)
		}
		h.room.Waits(kinds.Offer{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.room.Run(ctx) }()
		synctest.Wait()
		look()
		synctest.Wait()
		if m := h.room.Missing(); len(a) > 0 || len(m) != 1 || !strings.Contains(m[0].Why, "cost nothing") {
			t.Errorf("bytes cost money: asked %d times, %+v", len(a), m)
		}
		d.now.Store(false)
		look()
		synctest.Wait()
		if len(a) != 1 {
			t.Errorf("bytes cost nothing: asked %d times", len(a))
		}
		stop()
		<-ended
	})
}

// source is an address that says when it is asked.
type source chan time.Time

func (s source) Get(context.Context, string) (*pull.Answer, error) {
	s <- time.Now()
	return &pull.Answer{}, nil
}

// TestShortOutage: one that the puller met and no look at the network did does
// not have it wait for its own look, minutes later.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(source, 1)
		var online atomic.Bool
		online.Store(true)
		p, err := pull.New(pull.Options{Source: asked, Every: pull.LeastEvery, Online: online.Load})
		if err != nil {
			t.Fatal(err)
		}
		h := &Helm{o: Options{Device: still{}}, room: kinds.NewRoom(kinds.Options{})}
		h.Network(network.View{State: network.Online, Since: time.Now()})
		h.watch.Store(&watch{helm: h, puller: p})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		<-asked
		synctest.Wait()
		online.Store(false)
		p.Wake()
		synctest.Wait()
		if next := p.Status().Next; !next.IsZero() {
			t.Errorf("it asks at %v, without a network", next)
		}
		online.Store(true)
		back := time.Now()
		h.Network(network.View{State: network.Online, Since: back})
		if late := (<-asked).Sub(back); late > 2*pull.LeastEvery {
			t.Errorf("it asks %v after the network came back", late)
		}
		stop()
		<-ended
	})
}
