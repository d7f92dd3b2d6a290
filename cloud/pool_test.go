package cloud

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// trip is a cloud as a function, so that time can run inside a bubble.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, kind, body string, header ...string) trip {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {kind}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func fails(status int, header ...string) trip {
	return respond(status, "application/json", `{"error":{"message":"no"}}`, header...)
}

var well = respond(http.StatusOK, "application/json",
	`{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`)

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// clouds is a pool whose answers can be changed.
type clouds struct {
	*Pool
	t     *testing.T
	mu    sync.Mutex      // guards all below
	does  map[string]trip // by name
	calls map[string]int
}

// newClouds has a first cloud that does as told, and a second and more that are
// well, all at the base URL.
func newClouds(t *testing.T, base string, first trip, more ...string) *clouds {
	names := append([]string{"cloud/first", "cloud/second"}, more...)
	c := &clouds{t: t, does: map[string]trip{}, calls: map[string]int{}}
	o := Options{Log: slog.New(slog.DiscardHandler)}
	for _, n := range names {
		c.does[n] = well
		o.Targets = append(o.Targets, Target{Name: n, Base: base, Models: map[string]string{"chat": "m"}, Services: []string{"chat"}})
	}
	c.does[names[0]] = first
	c.Pool = New(o)
	for _, m := range c.order() {
		m.http = trip(func(r *http.Request) (*http.Response, error) { return c.take(m.Name)(r) })
		m.prepareLocked()
	}
	return c
}

// take counts a call.
func (c *clouds) take(name string) trip {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[name]++
	return c.does[name]
}

func (c *clouds) set(name string, does trip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.does[name] = does
}

// called checks how many calls the first has had.
func (c *clouds) called(when string, want int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.calls["cloud/first"]; got != want {
		c.t.Errorf("%s: the first had %d calls, want %d", when, got, want)
	}
}

// first is the first cloud as the status shows it.
func (c *clouds) first() Status { return c.Status()[0] }

// ask asks the targets, both when none are named.
func (c *clouds) ask(ctx context.Context, body string, targets ...string) (*openai.Reply, error) {
	c.t.Helper()
	request, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"?"}],` + body + `"model":"auto"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	if targets == nil {
		targets = []string{"cloud/first", "cloud/second"}
	}
	return c.Chat(ctx, call(request, targets))
}

// call is a patient one.
func call(r *openai.Request, targets []string) openai.Call {
	return openai.Call{
		Request: r, Targets: targets, Hold: 1, Tried: func(openai.Attempt) {},
		Budget: time.Minute, Attempt: 10 * time.Second, Silence: 30 * time.Second,
	}
}

// hurried asks with no more time than budget.
func (c *clouds) hurried(budget time.Duration, targets ...string) (*openai.Reply, error) {
	c.t.Helper()
	request, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"?"}],"model":"auto"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	hasty := call(request, targets)
	hasty.Budget = budget
	return c.Chat(c.t.Context(), hasty)
}

// answeredBy asks and checks who answered, and how long that took.
func (c *clouds) answeredBy(name string, took time.Duration) {
	c.t.Helper()
	start := time.Now()
	reply, err := c.ask(c.t.Context(), "")
	if err != nil {
		c.t.Errorf("got %v, want an answer of %s", err, name)
	} else if got := time.Since(start); reply.Target != name || got != took {
		c.t.Errorf("got an answer of %s after %v, want %s after %v", reply.Target, got, name, took)
	}
}

// bubble runs a test in which time passes at once.
func bubble(t *testing.T, first trip, f func(t *testing.T, c *clouds)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newClouds(t, "http://127.0.0.1/v1", first)) })
}

// pass lets time pass inside a bubble.
func pass(d time.Duration) { <-time.After(d) }

func TestFiveFaultsOpen(t *testing.T) {
	refuses := func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: refused") }
	for _, fault := range []trip{fails(500), fails(503), fails(408), refuses, page} {
		bubble(t, fault, func(t *testing.T, c *clouds) {
			for range 30 {
				c.answeredBy("cloud/second", 0)
			}
			c.called("30 asks", 5)
			if s := c.first(); s.Breaker != "open" || s.Usable || s.Why == "" || *s.ErrorRate != 1 {
				t.Errorf("got %+v, want it open", s)
			}
		})
	}
}

func TestHalfOfTenOpens(t *testing.T) {
	bubble(t, well, func(t *testing.T, c *clouds) {
		for i := range 30 {
			c.set("cloud/first", []trip{well, fails(503)}[i%2])
			if _, err := c.ask(t.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		c.called("every other call fails", 10)
	})
}

// TestOneTrial leaves an open breaker alone for 30 s, then tries once.
func TestOneTrial(t *testing.T) {
	bubble(t, fails(503), func(t *testing.T, c *clouds) {
		trials := 0
		for range 5 {
			c.answeredBy("cloud/second", 0)
		}
		for range 3 {
			pass(29 * time.Second)
			c.answeredBy("cloud/second", 0)
			c.called("29 s after it opened", 5+trials)
			pass(time.Second + time.Millisecond)
			var asked sync.WaitGroup
			for range 10 {
				asked.Go(func() { c.answeredBy("cloud/second", 0) })
			}
			asked.Wait()
			trials++
			c.called("30 s after it opened", 5+trials)
		}
		c.set("cloud/first", well)
		pass(31 * time.Second)
		c.answeredBy("cloud/first", 0)
		if s := c.first(); s.Breaker != "closed" || !s.Usable {
			t.Errorf("got %+v, want it closed", s)
		}
		pass(time.Minute)
		if s := c.first(); s.ErrorRate != nil {
			t.Errorf("a minute later: got error rate %v, want nothing held against it", *s.ErrorRate)
		}
	})
}

// TestHangWaitedForOnce waits for an attempt's time, then never again: a trial
// is overtaken after a second.
func TestHangWaitedForOnce(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/second", 10*time.Second)
		for range 10 {
			c.answeredBy("cloud/second", 0)
		}
		c.called("10 s of waiting", 1)
		for i := range 3 {
			pass(31 * time.Second)
			c.answeredBy("cloud/second", hedgeAfter)
			c.answeredBy("cloud/second", 0)
			synctest.Wait()
			c.called("a trial", 2+i)
			if s := c.first(); s.Breaker != "open" || s.InFlight != 0 {
				t.Errorf("got %+v, want it open again and nothing under way", s)
			}
		}
		c.set("cloud/first", well)
		pass(31 * time.Second)
		c.answeredBy("cloud/first", 0)
	})
}

func TestSetAside(t *testing.T) {
	for _, x := range []struct {
		name  string
		fault trip
		aside time.Duration
	}{
		{"429 with seconds", fails(429, "Retry-After", "7"), 7 * time.Second},
		{"429 with milliseconds", fails(429, "Retry-After-Ms", "1500"), 1500 * time.Millisecond},
		{"429 with a date", fails(429, "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"), time.Minute}, // where a bubble's time begins
		{"429 for days", fails(429, "Retry-After", "1000000"), time.Hour},
		{"429 alone", fails(429), 30 * time.Second},
		{"401", fails(401), 5 * time.Minute},
		{"403", fails(403), 5 * time.Minute},
		{"404", fails(404), 5 * time.Minute},
	} {
		bubble(t, x.fault, func(t *testing.T, c *clouds) {
			c.answeredBy("cloud/second", 0)
			c.set("cloud/first", well)
			pass(x.aside - time.Millisecond)
			c.answeredBy("cloud/second", 0)
			c.called(x.name+", before its time", 1)
			if s := c.first(); s.Usable || s.Why == "" || s.Breaker != "closed" || s.ErrorRate != nil {
				t.Errorf("%s: got %+v, want it set aside without blame", x.name, s)
			}
			pass(2 * time.Millisecond)
			c.answeredBy("cloud/first", 0)
		})
	}
}

// TestKeyIsBack has a reload end what a wrong key began.
func TestKeyIsBack(t *testing.T) {
	bubble(t, fails(401), func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/second", 0)
		c.set("cloud/first", func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("Authorization"); got != "Bearer new" {
				t.Errorf("got Authorization %q, want the new key", got)
			}
			return well(r)
		})
		c.SetKey("cloud/first", "", errors.New("no such file"))
		c.answeredBy("cloud/second", 0)
		c.SetKey("cloud/first", "new", nil)
		c.answeredBy("cloud/first", 0)
	})
}

// TestKeyOfBefore: what a call with the old key meets says nothing of the new one.
func TestKeyOfBefore(t *testing.T) {
	refused := fails(401)
	slowly := func(r *http.Request) (*http.Response, error) {
		pass(time.Second)
		return refused(r)
	}
	bubble(t, slowly, func(t *testing.T, c *clouds) {
		var asked sync.WaitGroup
		asked.Go(func() { c.answeredBy("cloud/second", time.Second) })
		pass(time.Second / 2)
		c.SetKey("cloud/first", "new", nil)
		asked.Wait()
		if got := c.first(); !got.Usable {
			t.Errorf("set aside with its new key: %s", got.Why)
		}
		c.answeredBy("cloud/second", time.Second)
		if got := c.first(); got.Usable {
			t.Error("still used after the new key was refused, too")
		}
	})
}

// TestReload changes the pool while it is used.
func TestReload(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		c.answeredBy("cloud/second", 10*time.Second)
		was := c.Status()
		again := []Target{*was[1].Target, *was[0].Target, {Name: "cloud/new", Base: "http://new", Keyed: true}}
		if got := c.Reload(again, map[string]Key{"cloud/new": {Secret: "k"}}); !slices.Equal(got, []string{"cloud/new"}) {
			t.Errorf("got %v changed, want the new one", got)
		}
		now := c.Status()
		if now[1].Breaker != "open" || now[0].Calls != 1 || !now[2].Usable {
			t.Errorf("got %+v, want figures and breaker as they were, and the new one usable", now)
		}
		c.Reload(again[:1], nil)
		if got := len(c.Status()); got != 1 {
			t.Errorf("%d targets are left, want 1", got)
		}
		c.set("cloud/second", well)
		c.Reload(again[2:], map[string]Key{"cloud/new": {Err: errors.New("no such file")}})
		if now := c.Status(); now[0].Usable || !strings.Contains(now[0].Why, "no such file") {
			t.Errorf("got %+v, want one that has no key", now)
		}
		c.answeredBy("cloud/second", 0) // the asks of this test were planned long ago
		c.Forget()
		if _, err := c.ask(t.Context(), "", "cloud/second"); !errors.Is(err, fault.ErrDown) {
			t.Errorf("asked one that is forgotten: got %v, want ErrDown", err)
		}
	})
}
