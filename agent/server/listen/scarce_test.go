package listen_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"nearside/agent/server/listen"
)

// scarce is a listener in a process that has one descriptor for connections.
type scarce struct {
	net.Listener
	waits net.Conn // what the kernel has taken already

	mu   sync.Mutex // guards held
	held bool
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.waits == nil {
		c, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s.waits = c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	c := s.waits
	s.waits, s.held = nil, true
	return &scarceConn{c, s}, nil
}

type scarceConn struct {
	net.Conn
	of *scarce
}

func (c *scarceConn) Close() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.held = false
	return c.Conn.Close()
}

// TestNoDescriptor: where the process has no descriptor left, the connection
// that is idle makes way, although there are places.
func TestNoDescriptor(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listen.Bound(&scarce{Listener: tcp}, 10)
	idle := make(chan struct{}, 10)
	s := &http.Server{
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(c net.Conn, state http.ConnState) {
			if listen.Watch(c, state); state == http.StateIdle {
				idle <- struct{}{}
			}
		},
	}
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()); <-ended })
	first := dial(t, l)
	first.ask("/")
	first.answered()
	<-idle
	second := dial(t, l)
	second.ask("/")
	second.answered()
	first.answeredNot()
	if n := listen.Crowded(l); n == 0 {
		t.Error("nothing was counted of a connection that found no descriptor")
	}
}
