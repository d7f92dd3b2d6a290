package cloud

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai/fault"
	"nearside/cloud/network"
)

// run runs the pool until stop.
func (c *clouds) run() (stop func()) {
	stopped := make(chan error)
	ctx, cancel := context.WithCancel(c.t.Context())
	go func() { stopped <- c.Run(ctx) }()
	return func() {
		cancel()
		if err := <-stopped; err != nil {
			c.t.Error(err)
		}
	}
}

// TestProbe finds out that the way is open again, and asks for no more than
// that: 10 s after the loss, then every 30 s to 37.5 s.
func TestProbe(t *testing.T) {
	at(t, far, breaks(syscall.ENETUNREACH), func(t *testing.T, c *clouds) {
		stop := c.run()
		defer stop()
		pass(61 * time.Second)
		c.called("while nothing is lost", 0)
		start := time.Now()
		_, _ = c.ask(t.Context(), "", "cloud/first")
		c.is("no route", network.Offline, network.ByCalls)
		_, _ = c.ask(t.Context(), "")
		c.called("asked twice", 1)
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v to find that there is no way", took)
		}
		c.set("cloud/second", breaks(syscall.ENETUNREACH))
		c.probed("by both in turn", 10*time.Minute, 16, 21)
		c.set("cloud/first", fails(404))
		pass(80 * time.Second)
		c.is("the first answers a probe", network.Online, network.ByProbe)
		c.probed("online", 10*time.Minute, 0, 0)
	})
}

// TestProbeOfTheUntried: a target that nobody asks for does not hide that the
// network is lost, and one that answers is not asked for ever whether it is.
func TestProbeOfTheUntried(t *testing.T) {
	for _, lost := range []struct {
		by    trip
		state string
	}{{foreign, network.Portal}, {hangs, network.Offline}} {
		at(t, far, lost.by, func(t *testing.T, c *clouds) {
			c.set("cloud/second", lost.by)
			stop := c.run()
			defer stop()
			for range 3 {
				_, _ = c.ask(t.Context(), "", "cloud/first")
				pass(31 * time.Second) // after a time-out it is tried again
			}
			c.is("the other is met in the same way", lost.state, network.ByProbe)
		})
	}
	at(t, far, well, func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/first", 0)
		c.set("cloud/first", hangs)
		c.set("cloud/second", fails(404))
		stop := c.run()
		defer stop()
		start := time.Now()
		for time.Since(start) < 2*time.Hour {
			_, _ = c.ask(t.Context(), "", "cloud/first")
			pass(time.Minute)
			c.is("the other answers", network.Online, "calls")
		}
		c.mu.Lock()
		probes := c.calls["cloud/second"]
		c.mu.Unlock()
		if probes < 16 || probes > 24 {
			t.Errorf("%d probes in two hours of one that is gone, want one in 5 minutes", probes)
		}
	})
}

// probed lets time pass and counts the calls of both meanwhile.
func (c *clouds) probed(when string, d time.Duration, least, most int) {
	c.t.Helper()
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.calls["cloud/first"] + c.calls["cloud/second"]
	}
	before := count()
	pass(d)
	if n := count() - before; n < least || n > most {
		c.t.Errorf("%s: %d probes in %v, want %d to %d", when, n, d, least, most)
	}
}

// TestProbesAreRare where they cost money or the battery, and there are none
// where nothing can be found.
func TestProbesAreRare(t *testing.T) {
	yes, no := true, false
	at(t, far, breaks(syscall.ENETUNREACH), func(t *testing.T, c *clouds) {
		stop := c.run()
		defer stop()
		c.set("cloud/second", breaks(syscall.ENETUNREACH))
		c.SetLinkMetered(&yes)
		_, _ = c.ask(t.Context(), "")
		c.probed("metered", time.Hour, 9, 13)
		c.SetLinkMetered(&no)
		c.SetBattery(true)
		c.probed("on battery", time.Hour, 9, 13)
		c.SetHost(network.Offline, time.Now().Add(time.Hour))
		c.probed("the host app knows", time.Hour-time.Second, 0, 0)
		c.SetLink(true, false, nil)
		c.probed("no link", time.Hour, 0, 0)
		c.SetLink(true, true, nil)
		c.SetBattery(false)
		pass(11 * time.Second)
		_, _ = c.ask(t.Context(), "")
		c.is("a link, and no way", network.Offline, network.ByCalls)
		c.SetHost(network.Offline, time.Now().Add(time.Minute))
		c.SetHostMetered(true, time.Now().Add(2*time.Minute))
		c.probed("the host app knows", time.Minute-time.Second, 0, 0)
		c.probed("it does not any more", time.Minute, 1, 1)
		c.probed("nor what bytes cost", 5*time.Minute, 7, 11)
	})
}

// TestPortal asks nobody while something answers in place of the targets, and
// finds out by a probe that it does not any more. A page is no sign of that.
func TestPortal(t *testing.T) {
	at(t, far, foreign, func(t *testing.T, c *clouds) {
		c.set("cloud/second", foreign)
		stop := c.run()
		defer stop()
		_, _ = c.ask(t.Context(), "")
		c.is("signed out", network.Portal, network.ByCalls)
		for range 5 {
			if _, err := c.ask(t.Context(), ""); !errors.Is(err, fault.ErrDown) {
				t.Errorf("got %v, want nobody asked", err)
			}
		}
		c.called("before the first probe", 1)
		pass(3 * time.Minute)
		c.is("probes meet it, too", network.Portal, network.ByCalls)
		c.set("cloud/first", fails(401))
		c.set("cloud/second", fails(401))
		pass(time.Minute)
		c.is("signed in", network.Online, network.ByProbe)
	})
	at(t, "http://api.example/v1", respond(http.StatusFound, "text/html", "", "Location", "http://portal.example/"), func(t *testing.T, c *clouds) {
		c.SetKey("cloud/second", "", errors.New("not yet"))
		_, _ = c.ask(t.Context(), "", "cloud/first")
		c.set("cloud/first", page)
		c.set("cloud/second", page)
		stop := c.run()
		defer stop()
		pass(3 * time.Minute)
		c.is("the page over HTTP", network.Portal, network.ByCalls)
	})
}
