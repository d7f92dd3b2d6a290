package cloud

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai/fault"
	"nearside/cloud/network"
)

// TestCallerIsNoFault cancels calls, before and after others: the target is
// not blamed.
func TestCallerIsNoFault(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		for range 20 {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(3*time.Second, leave)
			if _, err := c.ask(ctx, ""); err == nil {
				t.Error("got an answer, want none")
			}
		}
		c.called("20 callers left", 20)
		if s := c.first(); s.Breaker != "closed" || !s.Usable || s.ErrorRate != nil || s.InFlight != 0 {
			t.Errorf("got %+v, want no blame", s)
		}
	})
}

// TestOwnDeadlineIsNoFault has the caller's context end by its own deadline.
func TestOwnDeadlineIsNoFault(t *testing.T) {
	at(t, far, hangs, func(t *testing.T, c *clouds) {
		for range 3 {
			ctx, end := context.WithTimeout(t.Context(), 3*time.Second)
			_, err := c.ask(ctx, "", "cloud/first")
			end()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
		}
		c.is("three deadlines", network.Unknown, network.ByStart)
		if s := c.first(); s.Breaker != "closed" || s.ErrorRate != nil {
			t.Errorf("got %+v, want no blame", s)
		}
	})
}

// TestOwnShortageIsNoFault has no descriptor left: neither the targets nor the
// network are to blame.
func TestOwnShortageIsNoFault(t *testing.T) {
	at(t, far, breaks(&os.SyscallError{Syscall: "socket", Err: syscall.EMFILE}), func(t *testing.T, c *clouds) {
		c.set("cloud/second", breaks(&os.SyscallError{Syscall: "socket", Err: syscall.ENFILE}))
		for range 20 {
			if _, err := c.ask(t.Context(), ""); err == nil {
				t.Error("got an answer, want none")
			}
		}
		c.is("twenty times", network.Unknown, network.ByStart)
		for _, s := range c.Status() {
			if s.Breaker != "closed" || !s.Usable || s.ErrorRate != nil {
				t.Errorf("got %+v, want no blame", s)
			}
		}
	})
}

// TestHasteIsNoFault has callers give a target too little time; with enough,
// it is to blame.
func TestHasteIsNoFault(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		for range 10 {
			if _, err := c.hurried(1400*time.Millisecond, "cloud/first"); !errors.Is(err, fault.ErrTimeout) {
				t.Errorf("got %v, want a time-out", err)
			}
		}
		c.called("in a hurry", 10)
		if s := c.first(); s.Breaker != "closed" || !s.Usable {
			t.Errorf("got %+v, want no blame", s)
		}
		_, _ = c.hurried(1500*time.Millisecond, "cloud/first")
		if s := c.first(); s.Breaker != "open" {
			t.Errorf("got %+v, want it open", s)
		}
		pass(31 * time.Second)
		_, _ = c.hurried(1100*time.Millisecond, "cloud/first")
		if s := c.first(); s.Breaker != "open" {
			t.Errorf("after a trial in a hurry: got %+v, want it open", s)
		}
	})
}

// TestWrongRequestIsNoFault gives the caller what no other target would take.
func TestWrongRequestIsNoFault(t *testing.T) {
	for _, status := range []int{400, 422} {
		bubble(t, fails(status), func(t *testing.T, c *clouds) {
			for range 20 {
				var e *fault.Error
				if _, err := c.ask(t.Context(), ""); !errors.As(err, &e) || e.Status != status {
					t.Errorf("got %v, want status %d", err, status)
				}
			}
			c.called("20 wrong requests", 20)
			if c.calls["cloud/second"] != 0 || c.first().Breaker != "closed" {
				t.Errorf("got %d calls to the second, breaker %s, want 0, closed", c.calls["cloud/second"], c.first().Breaker)
			}
		})
	}
}

// TestTimeoutAmongOthers has one call time out at the very moment at which
// others end well: it is not forgotten.
func TestTimeoutAmongOthers(t *testing.T) {
	for range 100 {
		bubble(t, hangs, func(t *testing.T, c *clouds) {
			var asked sync.WaitGroup
			asked.Go(func() { _, _ = c.hurried(10*time.Second, "cloud/first") })
			synctest.Wait()
			c.set("cloud/first", after(10*time.Second))
			for range 20 {
				asked.Go(func() { _, _ = c.ask(t.Context(), "", "cloud/first") })
			}
			asked.Wait()
			if s := c.first(); s.Breaker != "open" {
				t.Fatalf("got %+v, want it open", s)
			}
		})
	}
}

// tardy ends a call by a time-out of its own after 10 s, as that of a handshake does.
func tardy(*http.Request) (*http.Response, error) {
	pass(10 * time.Second)
	return nil, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
}

// TestTimeOutOnTheWay: a time-out that is not ours is waited for once, too, and
// not tried again for the same ask.
func TestTimeOutOnTheWay(t *testing.T) {
	bubble(t, tardy, func(t *testing.T, c *clouds) {
		if _, err := c.ask(t.Context(), "", "cloud/first"); !errors.Is(err, fault.ErrTimeout) {
			t.Errorf("got %v, want a time-out", err)
		}
		c.called("10 s of waiting", 1)
		if s := c.first(); s.Breaker != "open" {
			t.Errorf("got %+v, want it open", s)
		}
		c.answeredBy("cloud/second", 0)
	})
}
