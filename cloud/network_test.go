package cloud

import (
	"crypto/tls"
	"crypto/x509"
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

	"nearside/agent/openai/fault"
	"nearside/cloud/network"
)

func breaks(err error) trip {
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
	if v := c.Network(); v.State != state || v.Source != source {
		c.t.Errorf("%s: got %s by %s, want %s by %s", when, v.State, v.Source, state, source)
	}
}

// certificate is the fault of one that is not trusted, for the name.
func certificate(name string, why error) trip {
	shown := &x509.Certificate{DNSNames: []string{name}}
	untrusted := &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{shown}, Err: why}
	return func(*http.Request) (*http.Response, error) { return nil, untrusted }
}

var (
	foreign = certificate("portal.example", x509.HostnameError{})
	page    = respond(http.StatusOK, "text/html", "<html>sign in</html>")
)

// TestCallsTell reads from what both targets do, once or twice, whether there
// is a network.
func TestCallsTell(t *testing.T) {
	const plain = "http://api.example/v1"
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}
	record := tls.RecordHeaderError{Msg: "not TLS"}
	elsewhere := respond(http.StatusFound, "text/html", "", "Location", "http://portal.example/")
	for _, x := range []struct {
		name, base string
		does       trip
		state      string
	}{
		{"an answer", far, well, network.Online},
		{"an error of the server", far, fails(404), network.Online},
		{"a redirect over TLS", far, elsewhere, network.Online},
		{"refused", far, breaks(syscall.ECONNREFUSED), network.Unknown},
		{"an alert of its TLS", far, func(*http.Request) (*http.Response, error) { return nil, alert }, network.Unknown},
		{"no such name", far, breaks(&net.DNSError{IsNotFound: true}), network.Unknown},
		{"a foreign certificate", far, foreign, network.Portal},
		{"a certificate nobody knows", far, certificate("api.example", x509.UnknownAuthorityError{}), network.Portal},
		{"one that ran out", far, certificate("api.example", x509.CertificateInvalidError{Reason: x509.Expired}), network.Unknown},
		{"a foreign one that ran out", far, certificate("portal.example", x509.CertificateInvalidError{Reason: x509.Expired}), network.Portal},
		{"no TLS", far, func(*http.Request) (*http.Response, error) { return nil, record }, network.Portal},
		{"no route", far, breaks(syscall.ENETUNREACH), network.Offline},
		{"no resolver", far, breaks(&net.DNSError{IsTimeout: true}), network.Offline},
		{"an answer over HTTP", plain, well, network.Online},
		{"a page over HTTP", plain, page, network.Unknown},
		{"an error over HTTP", plain, fails(404), network.Unknown},
		{"a redirect over HTTP", plain, elsewhere, network.Portal},
		{"a redirect to the same host", plain, respond(http.StatusFound, "text/html", "", "Location", "/v2"), network.Unknown},
		{"wants to be signed in", plain, fails(http.StatusNetworkAuthenticationRequired), network.Portal},
	} {
		at(t, x.base, x.does, func(t *testing.T, c *clouds) {
			c.set("cloud/second", x.does)
			c.is("at the start", network.Unknown, network.ByStart)
			_, _ = c.ask(t.Context(), "")
			source := network.ByCalls
			if x.state == network.Unknown {
				source = network.ByStart
			}
			c.is(x.name, x.state, source)
		})
	}
}

// TestBadCertificate is one target's own fault while others answer.
func TestBadCertificate(t *testing.T) {
	at(t, far, foreign, func(t *testing.T, c *clouds) {
		for range 20 {
			c.answeredBy("cloud/second", 0)
			pass(time.Minute)
		}
		c.is("the second answers", network.Online, network.ByCalls)
		_, _ = c.ask(t.Context(), "", "cloud/first")
		_, _ = c.ask(t.Context(), "", "cloud/first")
		c.is("asked alone", network.Online, network.ByCalls)
	})
}

// TestHost has the host app outrank all else for as long as it said.
func TestHost(t *testing.T) {
	at(t, far, well, func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/first", 0)
		c.SetHost(network.Offline, time.Now().Add(time.Minute))
		c.is("pushed", network.Offline, network.ByHost)
		if _, err := c.ask(t.Context(), ""); !errors.Is(err, fault.ErrDown) {
			t.Errorf("got %v, want nobody asked", err)
		}
		pass(time.Minute)
		synctest.Wait()
		c.is("its time is over", network.Online, network.ByCalls)
		c.answeredBy("cloud/first", 0)
		c.SetLink(true, false, nil)
		c.SetHost(network.Metered, time.Now().Add(30*time.Second))
		c.is("pushed against the link", network.Metered, network.ByHost)
		c.answeredBy("cloud/first", 0)
		c.set("cloud/first", hangs)
		ended := make(chan error, 1)
		go func() { _, err := c.ask(t.Context(), "", "cloud/first"); ended <- err }()
		start := time.Now()
		if err := <-ended; !errors.Is(err, fault.ErrDown) || time.Since(start) != 30*time.Second {
			t.Errorf("got %v after %v, want the wait ended with what was pushed", err, time.Since(start))
		}
		c.is("its time is over", network.Offline, network.ByLink)
	})
}

// TestMetered is online with a price, by the link's kind or the host app.
func TestMetered(t *testing.T) {
	yes := true
	at(t, far, well, func(t *testing.T, c *clouds) {
		c.SetLinkMetered(&yes)
		c.is("nothing heard", network.Unknown, network.ByStart)
		c.answeredBy("cloud/first", 0)
		c.is("by the link", network.Metered, network.ByCalls)
		c.SetHostMetered(false, time.Now().Add(time.Minute))
		c.is("the host app knows better", network.Online, network.ByCalls)
		pass(time.Minute)
		if v := c.Network(); v.State != network.Metered || v.Metered == nil || !*v.Metered {
			t.Errorf("got %+v, want it metered", v)
		}
	})
}

// TestNearTellsNothing has a target on the device fail: the network is not
// judged by it.
func TestNearTellsNothing(t *testing.T) {
	for _, base := range []string{"http://127.0.0.1:8080/v1", "http://[::1]/v1", "http://localhost/v1", "http://192.0.2.7/v1"} {
		at(t, base, breaks(syscall.EHOSTUNREACH), func(t *testing.T, c *clouds) {
			c.SetLink(true, true, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
			_, _ = c.ask(t.Context(), "", "cloud/first")
			c.is(base, network.Unknown, "start")
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
		c.is("down", network.Offline, "link")
		if c.first().Near {
			t.Error("a neighbour is near on a link that is down")
		}
		_, _ = c.ask(t.Context(), "")
		c.is("a late answer", network.Offline, "link")
		c.SetLink(true, true, nil)
		c.is("up", network.Unknown, "link")
		_, _ = c.ask(t.Context(), "")
		c.is("an answer", network.Online, "calls")
		c.SetLink(false, false, nil)
		c.is("not known", network.Online, "calls")
	})
}

// TestOneHostIsGone has one host out of reach, for calls side by side: the
// network is not judged by it before the others were tried, and nobody goes
// without an answer.
func TestOneHostIsGone(t *testing.T) {
	for _, gone := range []trip{breaks(syscall.EHOSTUNREACH), breaks(syscall.ENETUNREACH), hangs} {
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
			c.is("the second answers", network.Online, "calls")
			c.set("cloud/second", gone)
			_, _ = c.ask(t.Context(), "")
			_, _ = c.ask(t.Context(), "")
			c.is("both are gone", network.Offline, network.ByCalls)
		})
	}
}

// TestOfflineEndsWaiting loses the network while calls wait: they end at once
// and blame nobody; what is near goes on.
func TestOfflineEndsWaiting(t *testing.T) {
	loses := map[string]func(c *clouds){
		"the link goes down": func(c *clouds) { c.SetLink(true, false, nil) },
		"a call finds no way": func(c *clouds) {
			c.set("cloud/second", breaks(syscall.ENETUNREACH))
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
					if err := <-ends; !errors.Is(err, fault.ErrDown) || time.Since(start) != 0 {
						t.Errorf("%s: got %v after %v, want no target at once", name, err, time.Since(start))
					}
				}
				if s := c.first(); s.Breaker != "closed" || s.ErrorRate != nil || s.InFlight != 0 {
					t.Errorf("%s: got %+v, want no blame", name, s)
				}
				if _, err := c.ask(t.Context(), body); !errors.Is(err, fault.ErrDown) || time.Since(start) != 0 {
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

// TestNeighbourGoes ends a call to a neighbour when its link goes down, though
// another link stays up.
func TestNeighbourGoes(t *testing.T) {
	at(t, "http://192.0.2.7/v1", hangs, func(t *testing.T, c *clouds) {
		lan, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
		c.SetLink(true, true, []netip.Prefix{lan, other})
		ended := make(chan error, 1)
		go func() { _, err := c.ask(t.Context(), "", "cloud/first"); ended <- err }()
		synctest.Wait()
		start := time.Now()
		c.SetLink(true, true, []netip.Prefix{lan})
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("got %v when another link went down", err)
		default:
		}
		c.SetLink(true, true, []netip.Prefix{other})
		if err := <-ended; !errors.Is(err, fault.ErrDown) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want it ended at once", err, time.Since(start))
		}
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
		c.is("in a hurry", network.Unknown, "start")
		c.SetKey("cloud/second", "", nil)
		c.set("cloud/second", kept)
		_, _ = c.ask(t.Context(), "")
		c.is("both are silent", network.Offline, "calls")
	})
}
