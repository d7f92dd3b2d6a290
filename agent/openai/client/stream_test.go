package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

func TestStreamBySplitWrites(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, b := range "data: " + hel + "\n\ndata: " + lo + "\n\ndata: " + end + "\n\ndata: [DONE]\n\n" {
			send(w, string(b))
		}
	})
	s, err := c.ChatStream(t.Context(), nil, completion.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := drain(s); err != io.EOF || len(got) != 3 || s.Answer.Text() != "Hello" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestNotAStream(t *testing.T) {
	for name, kind := range map[string]string{plain: "application/json", "<html>": "text/html", "?": "?"} {
		c := &client.Client{Base: "http://server", HTTP: canned{kind, name}}
		if _, err := c.ChatStream(t.Context(), nil, completion.Shape{}); !errors.Is(err, fault.ErrBroken) {
			t.Errorf("%s: got %v, want ErrBroken", kind, err)
		}
	}
}

// TestStreamOfNoType: a server may leave out what it sends; what is no stream
// then ends before it says anything, so that another target answers.
func TestStreamOfNoType(t *testing.T) {
	for body, want := range map[string]error{
		"data: " + hel + "\n\ndata: " + end + "\n\ndata: [DONE]\n\n": nil, ": wait\n\nevent: message\ndata: " + hel + "\n\ndata: [DONE]\n\n": nil,
		plain: fault.ErrCut, "<html>\n\n": fault.ErrCut, "": fault.ErrCut,
	} {
		c := &client.Client{Base: "http://server", HTTP: canned{"", body}}
		s, err := c.ChatStream(t.Context(), nil, completion.Shape{})
		if err != nil {
			t.Errorf("%q: %v", body, err)
			continue
		}
		if err := s.Prime(1); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", body, err, want)
		}
		s.Close()
	}
}

// TestStreamBreaks reads one chunk, lets the test break the stream, and looks
// at what the next read says.
func TestStreamBreaks(t *testing.T) {
	type hands struct {
		stream *completion.Stream
		cancel context.CancelCauseFunc
		more   chan string // what the server does next
	}
	why := errors.New("the caller's reason")
	tests := []struct {
		name  string
		shape completion.Shape
		act   func(hands)
		want  error
		word  string
	}{
		{"TCP reset", completion.Shape{}, func(h hands) { h.more <- "reset" }, fault.ErrCut, "cut"},
		{"connection closed", completion.Shape{}, func(h hands) { h.more <- "abort" }, fault.ErrCut, "cut"},
		{"body ends", completion.Shape{}, func(h hands) { h.more <- "end" }, fault.ErrCut, "cut"},
		{"reset after the finish", completion.Shape{}, func(h hands) { h.more <- end; h.more <- "reset" }, io.EOF, "unreachable"},
		{"silence", completion.Shape{Silence: 20 * time.Millisecond}, func(hands) {}, fault.ErrStalled, "stalled"},
		{"cancelled", completion.Shape{}, func(h hands) { h.cancel(nil) }, context.Canceled, "cancelled"},
		{"cancelled with a cause", completion.Shape{}, func(h hands) { h.cancel(why) }, why, "unreachable"},
		{"closed", completion.Shape{Silence: time.Hour}, func(h hands) { h.stream.Close(); h.stream.Close() }, context.Canceled, "cancelled"},
		{"closed while it is read", completion.Shape{}, func(h hands) { go h.stream.Close() }, context.Canceled, "cancelled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			more := make(chan string, 2)
			c := server(t, func(w http.ResponseWriter, r *http.Request) { breakable(w, r, more) })
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s, err := c.ChatStream(ctx, nil, tt.shape)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if chunk, err := s.Next(); err != nil || string(chunk) != hel {
				t.Fatalf("got %s, %v", chunk, err)
			}
			tt.act(hands{s, cancel, more})
			if _, err := drain(s); !errors.Is(err, tt.want) || fault.Result(err) != tt.word {
				t.Errorf("got %v (%s), want %v", err, fault.Result(err), tt.want)
			}
		})
	}
}

// breakable sends a chunk and then does what it is told.
func breakable(w http.ResponseWriter, r *http.Request, more <-chan string) {
	send(w, "data: "+hel+"\n\n")
	for {
		select {
		case <-r.Context().Done():
			return
		case what := <-more:
			switch what {
			case "end":
				return
			case "abort":
				panic(http.ErrAbortHandler)
			case "reset":
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_ = conn.(*net.TCPConn).SetLinger(0)
					_ = conn.Close()
				}
				return
			}
			send(w, "data: "+what+"\n\n")
		}
	}
}

// stream is a client of a server that says its words, each after a pause, and
// then leaves the connection open.
func stream(t *testing.T, pause time.Duration, words ...string) *client.Client {
	t.Helper()
	return &client.Client{Base: "http://server/v1", HTTP: trip(func(r *http.Request) (*http.Response, error) {
		out, in := io.Pipe()
		go func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for _, w := range words {
				select {
				case <-tick.C:
					_, _ = io.WriteString(in, "data: "+w+"\n\n")
				case <-r.Context().Done():
				}
			}
			<-r.Context().Done()
			in.CloseWithError(r.Context().Err())
		}()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: out}, nil
	})}
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSilence counts how long a server may say nothing: as long as the caller
// likes before the stream is handed out, and hardly at all after the end.
func TestSilence(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		pause time.Duration
		want  error
		took  time.Duration
	}{
		{"before the first token", []string{hel, end}, time.Minute, fault.ErrStalled, 90 * time.Second},
		{"after the end", []string{hel, lo, end}, time.Second, io.EOF, 5 * time.Second},
		{"after the usage", []string{hel, end, usage}, time.Second, io.EOF, 3100 * time.Millisecond},
		{"after an end that was none", []string{hel, end, lo}, time.Second, fault.ErrStalled, 33 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s, err := stream(t, tt.pause, tt.words...).ChatStream(t.Context(), nil, completion.Shape{Silence: 30 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Prime(1); err != nil {
					t.Errorf("primed: %v", err)
				}
				if got, err := drain(s); !errors.Is(err, tt.want) || time.Since(start) != tt.took {
					t.Errorf("got %s, %v after %v; want %v after %v", got, err, time.Since(start), tt.want, tt.took)
				}
			})
		})
	}
}

// TestSlowReader: the time that it takes to hand an event on is not the target's.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := stream(t, time.Second, hel, lo)
		var call context.Context
		inner := c.HTTP
		c.HTTP = trip(func(r *http.Request) (*http.Response, error) {
			call = r.Context()
			return inner.RoundTrip(r)
		})
		s, err := c.ChatStream(t.Context(), nil, completion.Shape{Silence: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Idle = func() { time.Sleep(time.Minute) }
		for range 2 {
			if _, err := s.Next(); err != nil || call.Err() != nil {
				t.Fatalf("got %v, the call ended: %v", err, call.Err())
			}
		}
	})
}
