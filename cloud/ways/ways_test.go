package ways_test

import (
	"log/slog"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/network"
	"nearside/cloud/ways"
)

func TestPlaceOf(t *testing.T) {
	for base, want := range map[string]ways.Place{
		"http://localhost:1/v1":    {Self: true},
		"http://App.LocalHost/":    {Self: true},
		"http://127.0.0.9:11434":   {Self: true, IP: netip.MustParseAddr("127.0.0.9")},
		"http://[::ffff:7f00:1]/":  {Self: true, IP: netip.MustParseAddr("127.0.0.1")},
		"http://192.168.1.7:8080/": {IP: netip.MustParseAddr("192.168.1.7")},
		"https://localhost.org/v1": {},
		"https://api.example/v1":   {},
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := ways.PlaceOf(u); got != want {
			t.Errorf("%s: %+v, want %+v", base, got, want)
		}
	}
}

var (
	home      = netip.MustParsePrefix("192.168.1.0/24")
	self      = ways.Place{Self: true}
	neighbour = ways.Place{IP: netip.MustParseAddr("192.168.1.7")}
	far       = ways.Place{}
)

// TestLost: what waits for a way ends with that way, and with no other.
func TestLost(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(n *ways.Net)
		ends []string
	}{
		"the link stays":             {func(n *ways.Net) { n.SetLinks(false, []netip.Prefix{home}) }, nil},
		"the link is another":        {func(n *ways.Net) { n.SetLinks(false, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}) }, []string{"neighbour"}},
		"all links are down":         {func(n *ways.Net) { n.SetLinks(true, nil) }, []string{"far", "neighbour"}},
		"the host app says: offline": {func(n *ways.Net) { n.Host(offline) }, []string{"far"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := ways.New(slog.New(slog.DiscardHandler), func() {})
				n.SetLinks(false, []netip.Prefix{home})
				ended := map[string]bool{}
				ends := make(chan string, 3)
				for who, to := range map[string]ways.Place{"self": self, "neighbour": neighbour, "far": far} {
					n.WhenLost(to, func() { ends <- who })
				}
				c.lose(n)
				synctest.Wait()
				for len(ends) > 0 {
					ended[<-ends] = true
				}
				for _, who := range c.ends {
					if !ended[who] {
						t.Errorf("what waits for %s goes on", who)
					}
				}
				if len(ended) != len(c.ends) {
					t.Errorf("ended: %v, want %v", ended, c.ends)
				}
			})
		})
	}
}

func offline(m *network.Machine) { m.Host(network.Offline, time.Now().Add(time.Minute)) }

// TestHost: what the host app says counts until its time, and each change is
// told once.
func TestHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Int32
		n := ways.New(slog.New(slog.DiscardHandler), func() { moved.Add(1) })
		n.Host(offline)
		n.Host(offline)
		if got := n.Look(); got.State != network.Offline || got.Source != network.ByHost || moved.Load() != 1 {
			t.Errorf("%+v after %d changes", got, moved.Load())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := n.Look(); got.State == network.Offline || moved.Load() != 2 {
			t.Errorf("%+v after %d changes, when the time was over", got, moved.Load())
		}
	})
}

// TestNear: a neighbour is near while its link is up, this device always.
func TestNear(t *testing.T) {
	n := ways.New(slog.New(slog.DiscardHandler), func() {})
	near := func() [3]bool { return [3]bool{n.Near(self), n.Near(neighbour), n.Near(far)} }
	if got := near(); got != [3]bool{true, false, false} {
		t.Errorf("no link: %v", got)
	}
	if other := n.SetLinks(false, []netip.Prefix{home}); !other || near() != [3]bool{true, true, false} {
		t.Errorf("link up: other %v, near %v", other, near())
	}
	if other := n.SetLinks(true, []netip.Prefix{home}); !other || near() != [3]bool{true, false, false} {
		t.Errorf("link down: other %v, near %v", other, near())
	}
}
