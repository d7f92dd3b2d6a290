package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai"
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
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}
	for _, x := range []struct {
		name  string
		does  trip
		state string
	}{
		{"an answer", well, Online},
		{"an error of the server", fails(404), Online},
		{"refused", fault(syscall.ECONNREFUSED), Online},
		{"an alert of its TLS", func(*http.Request) (*http.Response, error) { return nil, alert }, Online},
		{"no such name", fault(&net.DNSError{IsNotFound: true}), Unknown},
		{"a portal's certificate", fault(&tls.CertificateVerificationError{Err: errors.New("wrong host")}), Unknown},
		{"no route", fault(syscall.ENETUNREACH), Offline},
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
		start := time.Now()
		_, _ = c.ask(t.Context(), "", "cloud/first")
		c.is("no route", Offline, "calls")
		_, _ = c.ask(t.Context(), "")
		c.called("asked twice", 1)
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v to find that there is no way", took)
		}
		c.set("cloud/second", fault(syscall.ENETUNREACH))
		pass(180 * time.Second)
		c.called("every other of six probes", 4)
		c.set("cloud/second", fault(syscall.ECONNREFUSED))
		pass(60 * time.Second)
		c.is("the second refuses a probe", Online, "probe")
		pass(5 * time.Minute)
		c.called("online", 5)
		stop()
		if err := <-stopped; err != nil && !errors.Is(err, ctx.Err()) {
			t.Error(err)
		}
	})
}

// TestOneHostIsGone has one host out of reach, for calls side by side: the
// network is not judged by it before the others were tried, and nobody goes
// without an answer.
func TestOneHostIsGone(t *testing.T) {
	for _, gone := range []trip{fault(syscall.EHOSTUNREACH), fault(syscall.ENETUNREACH), hangs} {
		at(t, far, well, func(t *testing.T, c *clouds) {
			c.answeredBy("cloud/first", 0)
			c.set("cloud/first", gone)
			var asked sync.WaitGroup
			for range 4 {
				asked.Go(func() {
					if _, err := c.ask(t.Context(), ""); err != nil {
						t.Error(err)
					}
				})
			}
			asked.Wait()
			_, _ = c.ask(t.Context(), "", "cloud/first")
			c.is("the second answers", Online, "calls")
			c.set("cloud/second", gone)
			_, _ = c.ask(t.Context(), "")
			_, _ = c.ask(t.Context(), "")
			c.is("both are gone", Offline, "calls")
		})
	}
}

// TestOfflineEndsWaiting loses the network while calls wait: they end at once
// and blame nobody; what is near goes on.
func TestOfflineEndsWaiting(t *testing.T) {
	loses := map[string]func(c *clouds){
		"the link goes down": func(c *clouds) { c.SetLink(true, false, nil) },
		"a call finds no way": func(c *clouds) {
			c.set("cloud/second", fault(syscall.ENETUNREACH))
			_, _ = c.ask(c.t.Context(), "", "cloud/second")
		},
	}
	for name, lose := range loses {
		for _, body := range []string{"", `"stream":true,`} {
			at(t, far, hangs, func(t *testing.T, c *clouds) {
				ends := make(chan error, 3)
				for range cap(ends) {
					go func() {
						_, err := c.ask(t.Context(), body)
						ends <- err
					}()
				}
				synctest.Wait()
				start := time.Now()
				lose(c)
				for range cap(ends) {
					if err := <-ends; !errors.Is(err, openai.ErrDown) || time.Since(start) != 0 {
						t.Errorf("%s: got %v after %v, want no target at once", name, err, time.Since(start))
					}
				}
				if s := c.first(); s.Breaker != "closed" || s.ErrorRate != nil || s.InFlight != 0 {
					t.Errorf("%s: got %+v, want no blame", name, s)
				}
				if _, err := c.ask(t.Context(), body); !errors.Is(err, openai.ErrDown) || time.Since(start) != 0 {
					t.Errorf("%s: then got %v after %v, want no target at once", name, err, time.Since(start))
				}
				c.called(name, 3)
			})
		}
	}
	at(t, "http://127.0.0.1/v1", well, func(t *testing.T, c *clouds) {
		c.SetLink(true, false, nil)
		c.answeredBy("cloud/first", 0)
	})
}

// TestKeptConnection hangs on a connection of an earlier call, which proves
// nothing; in a hurry, not even that nobody is there.
func TestKeptConnection(t *testing.T) {
	kept := func(r *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{Reused: true})
		return hangs(r)
	}
	at(t, far, kept, func(t *testing.T, c *clouds) {
		c.SetKey("cloud/second", "", errors.New("not yet"))
		for range 3 {
			_, _ = c.hurried(time.Second, "cloud/first")
		}
		c.is("in a hurry", Unknown, "start")
		c.SetKey("cloud/second", "", nil)
		c.set("cloud/second", kept)
		_, _ = c.ask(t.Context(), "")
		c.is("both are silent", Offline, "calls")
	})
}
