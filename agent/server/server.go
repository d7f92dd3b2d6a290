package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/agent"
	"nearside/agent/openai/embed"
)

// Bounds of what a client may send and how slowly.
const (
	maxHeader     = 64 << 10
	maxBody       = 16 << 20
	headerTimeout = 2 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 2 * time.Minute
)

// History reads decision records back.
type History interface {
	Decision(ctx context.Context, id string) ([]byte, bool, error)
	Decisions(ctx context.Context, limit int, before string) ([][]byte, error)
}

// Options are what the server stands in front of.
type Options struct {
	Agent   *agent.Agent
	Status  func() Status  // for GET /v1/status
	Ready   func() error   // nil when some route can answer; else why not
	Models  func() []Model // for GET /v1/models
	History func() History // nil while there is none
	Reload  Reload         // for POST /v1/config/reload; nil is 501
	Doors   Doors          // whom it opens to at first, see [Server.Open]
	Metrics http.Handler   // for GET /metrics; nil is 501
	Pending time.Duration  // a stream that waits this long gets its headers; 0 is 10 s
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
	asking   atomic.Int64            // requests that are being answered
	cut      context.CancelCauseFunc // ends every request
}

// New makes a server; it listens to nothing yet.
func New(o Options) *Server {
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(notBuilt)
	}
	if o.Pending == 0 {
		o.Pending = 10 * time.Second
	}
	base, cut := context.WithCancelCause(context.Background())
	s := &Server{opts: o, cut: cut}
	s.Open(o.Doors)
	s.http = http.Server{
		Handler: s.routes(), ConnContext: identify, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
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

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, s.guard(true, h)) }
	control := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, s.guard(false, h)) }

	open("POST /v1/chat/completions", s.counted(s.chat))
	open("POST /v1/embeddings", s.counted(s.exchange(embed.Decode)))
	open("OPTIONS /v1/chat/completions", preflight)
	open("OPTIONS /v1/embeddings", preflight)
	open("OPTIONS /v1/models", preflight)
	open("GET /v1/models", s.models)
	open("GET /v1/models/{id...}", s.model)
	control("POST /v1/explain", s.explain)
	control("GET /v1/status", s.status)
	control("GET /v1/decisions", s.decisions)
	control("GET /v1/decisions/{id}", s.decision)
	control("POST /v1/config/reload", s.reload)
	control("GET /metrics", s.opts.Metrics.ServeHTTP)
	control("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	control("GET /readyz", s.ready)
	for _, pattern := range unbuilt {
		control(pattern, notBuilt)
	}
	control("/", s.unknown)
	return mux
}

// Counts are what the server itself counts.
type Counts struct {
	InFlight int64 // requests that are being answered
}

// Counts may be called at any time.
func (s *Server) Counts() Counts { return Counts{InFlight: s.asking.Load()} }

// counted counts a request as being answered.
func (s *Server) counted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.asking.Add(1)
		defer s.asking.Add(-1)
		h(w, r)
	}
}

// unbuilt are routes whose names are settled and whose code is not there yet.
var unbuilt = []string{
	"/v1/responses", "/v1/responses/", "/v1/batches", "/v1/batches/", "/v1/files", "/v1/files/",
	"/v1/messages", "/v1/call/", "/v1/flows/", "/v1/feedback", "/v1/events", "/v1/device/signals",
}

// known are the paths with the one method each takes, to answer 405 rightly.
var known = map[string]string{
	"/v1/chat/completions": "POST", "/v1/embeddings": "POST", "/v1/explain": "POST", "/v1/models": "GET", "/v1/status": "GET",
	"/v1/config/reload": "POST", "/v1/decisions": "GET", "/metrics": "GET", "/healthz": "GET", "/readyz": "GET",
}
