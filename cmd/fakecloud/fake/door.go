package fake

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// A door is a listening socket that can be shut, so that connects are really
// refused, and opened again at the same address. Its owner serialises open,
// shut and url.
type door struct {
	handler http.Handler
	life    context.Context // when it ends, calls still running are cut off
	arrived func()          // called for every connection accepted
	running sync.WaitGroup  // serving goroutines and connections

	addr string       // as bound by the first open
	ln   net.Listener // nil while shut
	srv  *http.Server // nil while shut
}

// open listens at addr, or at the address of the last time if there was one.
func (d *door) open(addr string) error {
	if d.addr != "" {
		addr = d.addr
	}
	if d.life.Err() != nil {
		return fmt.Errorf("open %s: %w", addr, errClosing)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("open %s: %w", addr, err)
	}
	d.addr, d.ln = ln.Addr().String(), ln
	d.srv = &http.Server{
		Handler:           d.handler,
		ConnState:         d.track,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	srv := d.srv
	d.running.Go(func() { d.serve(srv, ln) })
	return nil
}

// serve runs one opening of the door and, once it is shut, sees its last calls
// out: they may finish, unless the life of the door ends first.
func (d *door) serve(srv *http.Server, ln net.Listener) {
	_ = srv.Serve(ln) // returns once ln is closed
	if err := srv.Shutdown(d.life); err != nil {
		srv.Close()
	}
}

// grace is how long shut waits for calls to end and connections to fall idle.
const grace = 50 * time.Millisecond

// shut closes the socket and all idle connections before it returns. Calls
// under way go on; their connections close after them.
func (d *door) shut() {
	if d.srv == nil {
		return
	}
	short, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = d.ln.Close()          // also if serve has not begun yet
	_ = d.srv.Shutdown(short) // what is left after the grace, serve waits for
	d.srv, d.ln = nil, nil
}

// track counts connections and keeps them in running until they are gone.
func (d *door) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		d.arrived()
		d.running.Add(1)
	case http.StateClosed:
		d.running.Done()
	}
}

func (d *door) url() string {
	if d.addr == "" {
		return ""
	}
	return "http://" + d.addr
}
