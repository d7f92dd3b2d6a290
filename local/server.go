package local

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/h1"
)

// restFor is how long a server is left alone after it refused a connection.
const restFor = 30 * time.Second

// server is one on this device that somebody else runs, for all models.
type server struct {
	url   string
	http  *h1.Transport
	made  time.Time
	until atomic.Int64 // it rests until so long after it was made: the clock may be set meanwhile
}

// newServer makes a way to the server that leads through no proxy.
func newServer(url string) *server {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return &server{url: url, http: h1.New(t), made: time.Now()}
}

func (s *server) way() (*way, error) {
	if v := s.view(); v.State != Ready {
		return nil, fmt.Errorf("%w: %s", fault.ErrDown, v.Why)
	}
	return &way{client: client.Client{Base: s.url, HTTP: s.http}, server: s}, nil
}

// fault has the server rest when nobody listens there.
func (s *server) fault(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		s.until.Store(int64(time.Since(s.made) + restFor))
	}
	return err
}

func (s *server) view() View {
	if int64(time.Since(s.made)) < s.until.Load() {
		return View{State: Backoff, Why: "nobody answers at " + s.url}
	}
	return View{State: Ready}
}
