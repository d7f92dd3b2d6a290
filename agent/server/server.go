package server

import (
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
	"nearside/agent/learn"
	"nearside/agent/server/callers"
	"nearside/agent/server/feed"
	"nearside/agent/server/listen"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
)

// Bounds of what a client may send and how slowly.
const (
	maxHeader = 64 << 10
	maxBody   = 16 << 20
	rest      = time.Second // that what is left of a refused body is waited for
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

// History reads decision records back.
type History interface {
	Decision(ctx context.Context, id string) ([]byte, bool, error)
	Decisions(ctx context.Context, limit int, before string) ([][]byte, error)
}

// Options are what the server stands in front of.
type Options struct {
	Agent   *agent.Agent
	Status  func() status.Status // for GET /v1/status
	Ready   func() error         // nil when some route can answer; else why not
	Models  func() []Model       // for GET /v1/models
	History func() History       // nil while there is none
	Reload  Reload               // for POST /v1/config/reload; nil is 501
	Device  Device               // for /v1/device/signals; nil is 501
	Doors   Doors                // whom it opens to at first, see [Server.Open]
	Metrics http.Handler         // for GET /metrics; nil is 501
	Steered steering.Steered     // for /v1/policy; nil is 501
	Learner *learn.Learner       // for POST /v1/feedback; nil is 501
	Callers *callers.Book        // who may call; nil is everybody
	Limits  Limits
	Watch   Watch         // for GET /v1/events and /v1/logs
	Pending time.Duration // a stream that waits this long gets its headers; 0 is 10 s
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
		o.Metrics = http.HandlerFunc(notBuilt)
	}
	if o.Pending == 0 {
		o.Pending = 10 * time.Second
	}
	base, cut := context.WithCancelCause(context.Background())
	if o.Callers == nil {
		o.Callers = callers.New()
	}
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
	s.http.RegisterOnShutdown(s.opts.Watch.end)
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

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern, need string, h http.HandlerFunc) { mux.Handle(pattern, s.guard(true, need, h)) }
	control := func(pattern, need string, h http.HandlerFunc) { mux.Handle(pattern, s.guard(false, need, h)) }

	asks := []posted{
		{chatPath, s.guard(true, "chat", s.counted(s.chat))},
		{embedPath, s.guard(true, "embed", s.counted(s.embeddings))},
	}
	for _, a := range asks {
		mux.Handle("POST "+a.path, a.Handler)
	}
	open("OPTIONS "+chatPath, callers.Public, preflight)
	open("OPTIONS "+embedPath, callers.Public, preflight)
	open("OPTIONS /v1/models", callers.Public, preflight)
	open("GET /v1/models", callers.Known, s.models)
	open("GET /v1/models/{id...}", callers.Known, s.model)
	control("POST /v1/call/{service}", "{service}", s.counted(s.call))
	control("POST /v1/explain", callers.Known, s.explain)
	control("GET /v1/status", callers.Control, s.status)
	control("GET /v1/decisions", callers.Control, s.decisions)
	control("GET /v1/decisions/{id}", callers.Control, s.decision)
	control("POST /v1/config/reload", callers.Control, s.reload)
	if s.opts.Device == nil {
		control(signalsPath, callers.Control, notBuilt)
	} else {
		control("GET "+signalsPath, callers.Control, s.signals)
		control("PUT "+signalsPath, callers.Control, s.push)
	}
	if s.opts.Steered == nil {
		control(steering.Path, callers.Control, notBuilt)
		control(steering.Path+"/", callers.Control, notBuilt)
	} else {
		steered := steering.Routes{Of: s.opts.Steered}
		control("GET "+steering.Path, callers.Control, steered.Show)
		control("POST "+steering.ApplyPath, callers.Control, steered.Apply)
		control("POST "+steering.ResetPath, callers.Control, s.here(steered.Reset))
	}
	if s.opts.Learner == nil {
		control(feedbackPath, callers.Known, notBuilt)
	} else {
		control("POST "+feedbackPath, callers.Known, s.feedback)
	}
	control("GET /v1/events", callers.Control, s.events)
	control("GET /v1/logs", callers.Control, s.logs)
	control("GET /v1/logs/level", callers.Control, s.logLevel)
	control("PUT /v1/logs/level", callers.Control, s.setLogLevel)
	control("GET /metrics", callers.Control, s.opts.Metrics.ServeHTTP)
	control("GET /healthz", callers.Public, func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	control("GET /readyz", callers.Public, s.ready)
	for _, pattern := range unbuilt {
		control(pattern, callers.Known, notBuilt)
	}
	control("/", callers.Known, s.unknown)
	return direct(asks, mux)
}

// posted is a path that is posted to.
type posted struct {
	path string
	http.Handler
}

// direct hands what is posted to one of the paths, spelled as it is, to where
// the mux would; all else to the mux.
func direct(posts []posted, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.RawPath == "" {
			for i := range posts {
				if posts[i].path == r.URL.Path {
					posts[i].ServeHTTP(w, r)
					return
				}
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// Counts are what the server itself counts.
type Counts struct {
	InFlight int64                 // requests that are being answered
	Refused  map[string]int64      // requests that were not looked at, by reason
	Feeds    map[string]feed.Stats // by name: events, logs
	Crowded  int64                 // connections that came while all places were taken
}

// Counts may be called at any time.
func (s *Server) Counts() Counts {
	return Counts{s.asking.Load(), s.refused.counts(), s.opts.Watch.stats(), s.crowded()}
}

func (s *Server) crowded() (n int64) {
	if ways := s.ways.Load(); ways != nil {
		for _, l := range *ways {
			n += listen.Crowded(l)
		}
	}
	return n
}

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
	"/v1/messages", "/v1/flows/",
}

// Paths of asks that have a shape of their own.
const (
	chatPath  = "/v1/chat/completions"
	embedPath = "/v1/embeddings"
)

// known are the paths with the methods each takes, to answer 405 rightly.
var known = map[string]string{
	chatPath: "POST", embedPath: "POST", "/v1/explain": "POST", "/v1/models": "GET", "/v1/status": "GET",
	signalsPath: "GET, PUT", feedbackPath: "POST", steering.Path: "GET", steering.ApplyPath: "POST", steering.ResetPath: "POST", "/v1/config/reload": "POST", "/v1/decisions": "GET", "/metrics": "GET", "/v1/events": "GET", "/v1/logs": "GET", "/v1/logs/level": "GET, PUT", "/healthz": "GET", "/readyz": "GET",
}
