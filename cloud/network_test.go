package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func fault(err error) trip {
	return func(*http.Request) (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: err} }
}

// at runs a test with clouds at the base URL, in a bubble.
func at(t *testing.T, base string, first trip, f func(t *testing.T, c *clouds)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newClouds(t, base, first)) })
}

const far = "https://api.example/v1"

// is checks what is known of the network, and from what.
func (c *clouds) is(when, state, source string) {
	c.t.Helper()
	if got, _, from := c.Network(); got != state || from != source {
		c.t.Errorf("%s: got %s by %s, want %s by %s", when, got, from, state, source)
	}
}

// TestCallsTell reads from one call, which is not tried again, whether there
// is a network.
func TestCallsTell(t *testing.T) {
	for _, x := range []struct {
		name  string
		does  trip
		state string
	}{
		{"an answer", well, Online},
		{"an error of the server", fails(404), Online},
		{"refused", fault(syscall.ECONNREFUSED), Online},
		{"no such name", fault(&net.DNSError{IsNotFound: true}), Unknown},
		{"a portal's certificate", fault(&tls.CertificateVerificationError{Err: errors.New("wrong host")}), Unknown},
		{"no route", fault(syscall.ENETUNREACH), Offline},
		{"no way to the host", fault(syscall.EHOSTUNREACH), Offline},
		{"no resolver, twice", fault(&net.DNSError{IsTimeout: true}), Offline},
	} {
		at(t, far, x.does, func(t *testing.T, c *clouds) {
			c.is("at the start", Unknown, "start")
			_, _ = c.ask(t.Context(), "", "cloud/first")
			source := "calls"
			if x.state == Unknown {
				source = "start"
			}
			c.is(x.name, x.state, source)
		})
	}
}

// TestNearTellsNothing has a target on the device fail: the network is not
// judged by it.
func TestNearTellsNothing(t *testing.T) {
	for _, base := range []string{"http://127.0.0.1:8080/v1", "http://[::1]/v1", "http://localhost/v1", "http://192.0.2.7/v1"} {
		at(t, base, fault(syscall.EHOSTUNREACH), func(t *testing.T, c *clouds) {
			c.SetLink(true, true, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
			_, _ = c.ask(t.Context(), "", "cloud/first")
			c.is(base, Unknown, "start")
			if !c.first().Near {
				t.Errorf("%s is not near", base)
			}
		})
	}
}

// TestLinkDown is certain: no call proves the contrary; up again proves nothing.
func TestLinkDown(t *testing.T) {
	at(t, "http://192.0.2.7/v1", well, func(t *testing.T, c *clouds) {
		onLink := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		c.SetLink(true, false, onLink)
		c.is("down", Offline, "link")
		if c.first().Near {
			t.Error("a neighbour is near on a link that is down")
		}
		_, _ = c.ask(t.Context(), "")
		c.is("a late answer", Offline, "link")
		c.SetLink(true, true, nil)
		c.is("up", Unknown, "link")
		_, _ = c.ask(t.Context(), "")
		c.is("an answer", Online, "calls")
		c.SetLink(false, false, nil)
		c.is("not known", Online, "calls")
	})
}

// TestProbe finds out within 30 s that the way is open again, and asks for no
// more than that.
func TestProbe(t *testing.T) {
	at(t, far, fault(syscall.ENETUNREACH), func(t *testing.T, c *clouds) {
		stopped := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() { stopped <- c.Run(ctx) }()
		pass(61 * time.Second)
		c.called("while nothing is lost", 0)
		_, _ = c.ask(t.Context(), "", "cloud/first")
		c.is("no route", Offline, "calls")
		c.called("asked twice", 2)
		pass(90 * time.Second)
		c.called("three probes in 90 s", 5)
		c.set("cloud/first", well)
		pass(30 * time.Second)
		c.is("a probe comes through", Online, "probe")
		pass(5 * time.Minute)
		c.called("online", 6)
		stop()
		if err := <-stopped; err != nil && !errors.Is(err, ctx.Err()) {
			t.Error(err)
		}
	})
}
