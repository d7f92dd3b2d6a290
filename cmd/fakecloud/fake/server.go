package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Options say who the fake is and how it behaves while it behaves well. The
// zero value is a usable, instant fake without a key.
type Options struct {
	Name            string        // begins every answer; "fakecloud" if empty
	Key             string        // expected bearer token; empty accepts every caller
	Models          []string      // served models, others are 404; "fake-model" if empty
	FirstByte       time.Duration // wait before the headers of a chat answer
	TokensPerSecond float64       // speed of generation; 0 is instant
	Words           int           // length of an answer to an unknown question; 12 if not positive
	FloatsOnly      bool          // embeddings are floats, whatever the caller asks for
	Heard           func([]byte)  // told of the body of every call, from any goroutine
	Switched        func(Fault)   // told of every change of the fault, in order, from any goroutine; must not call the Server
}

// A Server is one fake cloud. It is an http.Handler for the data API, and can
// listen by itself, which the Refused fault needs to close the port. All its
// methods may be called from any goroutine.
type Server struct {
	opts  Options
	tally *tally
	life  context.Context // ends at Close
	end   context.CancelFunc

	doors   sync.Mutex // guards data and control, and orders changes of fault; taken before faults
	data    *door
	control *door

	faults sync.Mutex // guards fault
	fault  Fault
}

var (
	errCut     = errors.New("cut off by the fault")
	errClosing = errors.New("server is closing")
)

// maxBody bounds what is read of one request.
const maxBody = 16 << 20

// New returns a fake that behaves well and does not listen yet.
func New(opts Options) *Server {
	life, end := context.WithCancel(context.Background())
	s := &Server{opts: opts.withDefaults(), life: life, end: end, fault: Fault{Kind: None}}
	s.tally = newTally(s.opts.Name)
	s.data = &door{handler: s, life: life, arrived: s.tally.arrived}
	s.control = &door{handler: s.controlRoutes(), life: life, arrived: func() {}}
	return s
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "fakecloud"
	}
	if len(o.Models) == 0 {
		o.Models = []string{"fake-model"}
	}
	if o.Words <= 0 {
		o.Words = 12
	}
	if o.Heard == nil {
		o.Heard = func([]byte) {}
	}
	if o.Switched == nil {
		o.Switched = func(Fault) {}
	}
	return o
}

// Listen serves the data API at addr; port 0 picks a free one, which is kept
// from then on. Call it at most once.
func (s *Server) Listen(addr string) error {
	s.doors.Lock()
	defer s.doors.Unlock()
	if err := s.data.open(addr); err != nil {
		return err
	}
	if s.Fault().Kind == Refused {
		s.data.shut()
	}
	return nil
}

// ListenControl serves the control API at addr. It is there whatever the fault.
// Call it at most once.
func (s *Server) ListenControl(addr string) error {
	s.doors.Lock()
	defer s.doors.Unlock()
	return s.control.open(addr)
}

// URL is the root of the data API ("http://127.0.0.1:6400"; clients add /v1),
// empty before Listen.
func (s *Server) URL() string {
	s.doors.Lock()
	defer s.doors.Unlock()
	return s.data.url()
}

// ControlURL is the root of the control API, empty before ListenControl.
func (s *Server) ControlURL() string {
	s.doors.Lock()
	defer s.doors.Unlock()
	return s.control.url()
}

// Close ends all calls and waits for their goroutines. Later calls do nothing;
// a closed Server must not be used again.
func (s *Server) Close() {
	s.end()
	s.doors.Lock()
	s.data.shut()
	s.control.shut()
	s.doors.Unlock() // a control call under way may want it
	s.data.running.Wait()
	s.control.running.Wait()
}

// Fault returns the fault in force, with the calls left in Count.
func (s *Server) Fault() Fault {
	s.faults.Lock()
	defer s.faults.Unlock()
	return s.fault
}

// Set puts f in force for the calls that come after it; Fault{Kind: None}
// mends. Calls under way keep the fault they began with. When Set returns,
// connects are refused (or not) as f says.
func (s *Server) Set(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.doors.Lock()
	defer s.doors.Unlock()
	if err := s.moveDoor(f.Kind == Refused); err != nil {
		return fmt.Errorf("set fault: %w", err)
	}
	s.faults.Lock()
	defer s.faults.Unlock()
	s.fault = f
	s.opts.Switched(f)
	return nil
}

// moveDoor shuts or opens the data API, if it ever listened.
func (s *Server) moveDoor(shut bool) error {
	if shut {
		s.data.shut()
		return nil
	}
	if s.data.addr == "" || s.data.srv != nil {
		return nil
	}
	return s.data.open(s.data.addr)
}

// take returns the fault that one call suffers and counts it off.
func (s *Server) take(answer, stream bool) Fault {
	s.faults.Lock()
	defer s.faults.Unlock()
	f := s.fault
	if !f.Kind.reaches(answer, stream) {
		return Fault{Kind: None}
	}
	if f.Count == 0 {
		return f
	}
	if s.fault.Count--; s.fault.Count == 0 {
		s.fault = Fault{Kind: None}
		s.opts.Switched(s.fault)
	}
	return f
}

// ServeHTTP answers one call of the data API, with the fault in force.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(errClosing) })
	defer stop()

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	s.opts.Heard(body)
	c := &call{ctx: ctx, w: w, serial: s.tally.begin(r, body)}
	err = s.answer(c, incoming{r: r, body: body, broken: err})
	s.tally.end(err != nil && !errors.Is(err, errCut) && s.life.Err() == nil)
	if err != nil {
		panic(http.ErrAbortHandler) // the way to drop a connection
	}
}
