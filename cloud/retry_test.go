package cloud

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// once does one thing at the first call and is well from then on.
func once(does trip) trip {
	var done atomic.Bool
	return func(r *http.Request) (*http.Response, error) {
		if done.Swap(true) {
			return well(r)
		}
		return does(r)
	}
}

// TestRetry asks the only target again where that can mend the fault.
func TestRetry(t *testing.T) {
	for _, x := range []struct {
		name        string
		fault       trip
		again       bool
		least, most time.Duration
	}{
		{"503", fails(503), true, 0, 500 * time.Millisecond},
		{"503 soon", fails(503, "Retry-After", "2"), true, 2 * time.Second, 2 * time.Second},
		{"503 late", fails(503, "Retry-After", "20"), false, 0, 0},
		{"refused", func(*http.Request) (*http.Response, error) { return nil, errors.New("connect: refused") }, true, 0, 500 * time.Millisecond},
		{"429 soon", fails(429, "Retry-After", "2"), true, 2 * time.Second, 2 * time.Second},
		{"429 late", fails(429, "Retry-After", "20"), false, 0, 0},
		{"429 alone", fails(429), false, 0, 0},
		{"401", fails(401), false, 0, 0},
		{"400", fails(400), false, 0, 0},
	} {
		bubble(t, once(x.fault), func(t *testing.T, c *clouds) {
			start := time.Now()
			_, err := c.ask(t.Context(), "", "cloud/first")
			if took := time.Since(start); (err == nil) != x.again || took < x.least || took > x.most {
				t.Errorf("%s: got %v after %v, want an answer: %t, after %v to %v", x.name, err, took, x.again, x.least, x.most)
			}
			want := 1
			if x.again {
				want = 2
			}
			c.called(x.name, want)
		})
	}
}

// TestBothOnceMore goes through the pool twice before it gives up, and says
// what the last one said.
func TestBothOnceMore(t *testing.T) {
	bubble(t, fails(503), func(t *testing.T, c *clouds) {
		c.set("cloud/second", fails(502))
		var e *fault.Error
		if _, err := c.ask(t.Context(), ""); !errors.As(err, &e) || e.Status != 502 {
			t.Errorf("got %v, want status 502", err)
		}
		c.called("two rounds", 2)
	})
}

// TestBudget has everybody hang: the error comes when the time is up.
func TestBudget(t *testing.T) {
	bubble(t, hangs, func(t *testing.T, c *clouds) {
		c.set("cloud/second", hangs)
		start := time.Now()
		if _, err := c.ask(t.Context(), ""); !errors.Is(err, fault.ErrTimeout) {
			t.Errorf("got %v, want a time-out", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v, want the budget of a minute", took)
		}
		start = time.Now()
		if _, err := c.ask(t.Context(), "", "cloud/second"); !errors.Is(err, fault.ErrDown) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want no target at once", err, time.Since(start))
		}
	})
}

const chunk = `data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"yes"},"finish_reason":null}]}` + "\n\n"

// TestBrokenStreamsOpen counts streams that break after their first token,
// also of a target that was well for long.
func TestBrokenStreamsOpen(t *testing.T) {
	bubble(t, well, func(t *testing.T, c *clouds) {
		for range 50 {
			if _, err := c.ask(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
		c.set("cloud/first", respond(http.StatusOK, "text/event-stream", chunk))
		for range faultsInARow {
			reply, err := c.ask(t.Context(), `"stream":true,`)
			if err != nil || reply.Target != "cloud/first" {
				t.Fatalf("got %v, want a stream of the first", err)
			}
			drain(t, reply, fault.ErrCut)
		}
		if s := c.first(); s.Breaker == "closed" || s.Usable {
			t.Errorf("got %+v, want it open", s)
		}
	})
}

// silent streams one chunk and then nothing.
func silent(r *http.Request) (*http.Response, error) {
	body, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, chunk)
		<-r.Context().Done()
		in.CloseWithError(r.Context().Err())
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
}

// TestSilentStream ends a stream that says nothing for too long, and blames
// the target once.
func TestSilentStream(t *testing.T) {
	bubble(t, silent, func(t *testing.T, c *clouds) {
		start := time.Now()
		reply, err := c.ask(t.Context(), `"stream":true,`)
		if err != nil {
			t.Fatal(err)
		}
		drain(t, reply, fault.ErrStalled)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v, want the silence of 30 s", took)
		}
		synctest.Wait()
		if s := c.first(); s.Breaker != "open" {
			t.Errorf("got %+v, want it open", s)
		}
	})
}

// drain reads a stream to its end, which is to be want, and closes it.
func drain(t *testing.T, reply *openai.Reply, want error) {
	t.Helper()
	for {
		got, err := reply.Stream.Next()
		if err == nil && strings.Contains(string(got), "yes") {
			continue
		}
		if !errors.Is(err, want) {
			t.Errorf("the stream ended with %v, want %v", err, want)
		}
		break
	}
	reply.Close()
}

// TestPauseIsTold: the caller reads for how long the target is left alone, also
// where that is not what the target said.
func TestPauseIsTold(t *testing.T) {
	for _, x := range []struct {
		name  string
		first trip
		want  time.Duration
	}{
		{"said", fails(429, "Retry-After", "7"), 7 * time.Second},
		{"not said", fails(429), 30 * time.Second},
		{"no time", fails(429, "Retry-After", "soon"), 30 * time.Second},
		{"for days", fails(429, "Retry-After", "1000000"), time.Hour},
	} {
		bubble(t, x.first, func(t *testing.T, c *clouds) {
			var e *fault.Error
			if _, err := c.ask(t.Context(), "", "cloud/first"); !errors.As(err, &e) || e.RetryAfter != x.want {
				t.Errorf("%s: got %+v, want a pause of %v", x.name, err, x.want)
			}
			if got := c.first().Pause; got != x.want {
				t.Errorf("%s: left alone for %v, want %v", x.name, got, x.want)
			}
		})
	}
}
