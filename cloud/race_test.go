package cloud

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// after is well when the time has passed.
func after(d time.Duration) trip {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return well(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// TestSlowTrialAnswers has a trial answer after it was overtaken by one that
// is slower still.
func TestSlowTrialAnswers(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/second", 10*time.Second)
		pass(31 * time.Second)
		c.set("cloud/first", after(3*time.Second))
		c.set("cloud/second", after(5*time.Second))
		c.answeredBy("cloud/first", 3*time.Second)
	})
}

// TestThirdIsNext has a trial hang and the one that overtakes it fail: the
// third does not wait for the trial.
func TestThirdIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClouds(t, "http://127.0.0.1/v1", hangs, "cloud/third")
		c.set("cloud/second", fails(503))
		for _, want := range []time.Duration{10 * time.Second, hedgeAfter} {
			start := time.Now()
			reply, err := c.ask(t.Context(), "", "cloud/first", "cloud/second", "cloud/third")
			if err != nil || reply.Target != "cloud/third" || time.Since(start) != want {
				t.Errorf("got %v, %v after %v, want the third after %v", reply, err, time.Since(start), want)
			}
			pass(31 * time.Second)
		}
	})
}

// TestStreamIsInFlight counts a stream until it is closed.
func TestStreamIsInFlight(t *testing.T) {
	bubble(t, silent, func(t *testing.T, c *clouds) {
		reply, err := c.ask(t.Context(), `"stream":true,`)
		if err != nil {
			t.Fatal(err)
		}
		if s := c.first(); s.InFlight != 1 || s.P50MS == nil {
			t.Errorf("it runs: got %+v, want it in flight and its time known", s)
		}
		reply.Close()
		synctest.Wait()
		if s := c.first(); s.InFlight != 0 {
			t.Errorf("closed: got %+v, want nothing in flight", s)
		}
	})
}

// TestCrowd sends many asks at once at a first target that hangs and was never
// known: only a few wait for it, the others go on at once.
func TestCrowd(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		var all sync.WaitGroup
		var quick atomic.Int32
		for range 30 {
			all.Go(func() {
				start := time.Now()
				reply, err := c.ask(t.Context(), "")
				if err != nil || reply.Target != "cloud/second" {
					t.Errorf("got %+v, %v", reply, err)
				}
				if time.Since(start) < time.Second {
					quick.Add(1)
				}
			})
			synctest.Wait() // this one is on its way
		}
		all.Wait()
		c.called("30 asks at once", manyWaiting)
		if n := quick.Load(); n != 30-manyWaiting {
			t.Errorf("%d of 30 did not wait", n)
		}
	})
}
