package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/agent"
	"nearside/agent/server/callers"
	"nearside/agent/server/control"
	"nearside/agent/server/listen"
	"nearside/agent/server/replies"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
)

// Bounds of what a client may send, in bytes.
const (
	maxHeader = 64 << 10
	maxBody   = 16 << 20
)

// MostBodies is the default of Limits.Bodies.
const MostBodies = 32 << 20

// Limits are how slow a client may be, and how much memory bodies may take; of
// what is 0, the default counts.
type Limits struct {
	Header time.Duration // until a request's head is there: 2 s
	Body   time.Duration // then until its body is: 60 s
	Unread time.Duration // that what is sent may stay unread: 30 s
	Idle   time.Duration // between requests: 2 min
	Bodies int64         // bytes of large bodies at a time, of all requests: 32 MiB
}

func (l Limits) filled() Limits {
	return Limits{
		Header: cmp.Or(l.Header, 2*time.Second), Body: cmp.Or(l.Body, time.Minute), Unread: cmp.Or(l.Unread, 30*time.Second),
		Idle: cmp.Or(l.Idle, 2*time.Minute), Bodies: cmp.Or(l.Bodies, MostBodies),
	}
}

// Options are what the server stands in front of.
type Options struct {
	Agent   *agent.Agent
	Status  func() status.Status // for GET /v1/status
	Ready   func() error         // nil when some route can answer; else why not
	Models  func() []Model       // for GET /v1/models
	Doors   Doors                // whom it opens to at first, see [Server.Open]
	Metrics http.Handler         // for GET /metrics; nil is 501
	Steered steering.Steered     // for /v1/policy; nil is 501
	Callers *callers.Book        // who may call; nil is everybody
	Control control.Routes       // the routes that see and steer; Callers and Log are the server's
	Limits  Limits
	Asked   func(inFlight int64) // told of each ask that comes how many are being answered with it, and must not wait; nil is none
	Pending time.Duration        // a stream that waits this long gets its headers; 0 is 10 s
	Log     *slog.Logger
}

// Doors say for whom the API is open.
type Doors struct {
	Hosts   []string // Host values taken over TCP, without port, in lower case
	Origins []string // Origin values the OpenAI routes take
}

// Server serves the API. Make it with New.
type Server struct {
	opts     Options
	doors    atomic.Pointer[Doors]
	http     http.Server
	draining atomic.Bool
	asking   atomic.Int64 // requests that are being answered
	refused  refusals
	ways     atomic.Pointer[[]net.Listener]
	bodies   atomic.Int64            // bytes that large bodies take now
	cut      context.CancelCauseFunc // ends every request
	dates    dates                   // of replies
}

// New makes a server; it listens to nothing yet.
func New(o Options) *Server {
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(replies.NotBuilt)
	}
	if o.Pending == 0 {
		o.Pending = 10 * time.Second
	}
	if o.Asked == nil {
		o.Asked = func(int64) {}
	}
	base, cut := context.WithCancelCause(context.Background())
	if o.Callers == nil {
		o.Callers = callers.New()
	}
	o.Control.Callers, o.Control.Log = o.Callers, o.Log
	o.Limits = o.Limits.filled()
	s := &Server{opts: o, cut: cut, refused: newRefusals()}
	s.Open(o.Doors)
	s.http = http.Server{
		Handler: s.home(s.routes()), ConnContext: callers.Connect, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: o.Limits.Header, ReadTimeout: o.Limits.Body, WriteTimeout: o.Limits.Unread, // an ask's is set anew, see unread
		IdleTimeout: o.Limits.Idle, MaxHeaderBytes: maxHeader, ConnState: listen.Watch,
		DisableGeneralOptionsHandler: true, // OPTIONS * is guarded like the rest
		ErrorLog:                     stdlog.New(faults{o.Log}, "", 0),
	}
	s.http.RegisterOnShutdown(s.opts.Control.Watch.End)
	return s
}

// Open puts other doors in the place of those there are, for the requests that
// come from now on.
func (s *Server) Open(d Doors) { s.doors.Store(&d) }

// Handler is the API without a listener.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers on the listeners until ctx ends, then lets requests under way
// finish for at most drain and ends what is left.
func (s *Server) Serve(ctx context.Context, drain time.Duration, listeners ...net.Listener) error {
	s.ways.Store(&listeners)
	all, inner := errgroup.WithContext(ctx)
	for _, l := range listeners {
		all.Go(func() error {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	all.Go(func() error {
		<-inner.Done()
		return s.drain(drain)
	})
	return all.Wait()
}

// faults logs what net/http has to say: a handler that panicked is for
// operators, the rest is about clients.
type faults struct{ log *slog.Logger }

func (f faults) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(p, []byte("panic serving")) {
		level = slog.LevelError
	}
	f.log.Log(context.Background(), level, string(bytes.TrimSpace(p)))
	return len(p), nil
}
