package fake

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
)

// A State is what a Server has seen since it began or was last reset.
type State struct {
	Name        string         `json:"name"`
	Calls       map[string]int `json:"calls"`       // by path, data API only
	Cancelled   int            `json:"cancelled"`   // calls the client gave up before the answer was out
	Connections int            `json:"connections"` // accepted by the data API
	InFlight    int            `json:"in_flight"`   // calls not finished yet; survives a reset
	Last        *Request       `json:"last,omitempty"`
}

// A Request is one call as it came in.
type Request struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

// A tally keeps the State and wakes those who wait for it to change.
type tally struct {
	mu      sync.Mutex // guards the rest
	state   State
	serial  int           // calls ever, for ids
	changed chan struct{} // closed and replaced at every change
}

func newTally(name string) *tally {
	return &tally{state: State{Name: name, Calls: map[string]int{}}, changed: make(chan struct{})}
}

// update changes the state and wakes all waiters.
func (t *tally) update(change func(*State)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.state)
	close(t.changed)
	t.changed = make(chan struct{})
}

// look returns a copy of the state and a channel that closes when it is old.
func (t *tally) look() (State, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := t.state
	state.Calls = maps.Clone(state.Calls)
	return state, t.changed
}

func (t *tally) arrived() {
	t.update(func(s *State) { s.Connections++ })
}

// begin counts a call and returns its serial number.
func (t *tally) begin(r *http.Request, body []byte) (serial int) {
	last := &Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: string(body)}
	t.update(func(s *State) {
		s.Calls[last.Path]++
		s.InFlight++
		s.Last = last
		t.serial++
		serial = t.serial
	})
	return serial
}

func (t *tally) end(cancelled bool) {
	t.update(func(s *State) {
		s.InFlight--
		if cancelled {
			s.Cancelled++
		}
	})
}

func (t *tally) reset() {
	t.update(func(s *State) {
		*s = State{Name: s.Name, InFlight: s.InFlight, Calls: map[string]int{}}
	})
}

// State returns what the server has seen so far.
func (s *Server) State() State {
	state, _ := s.tally.look()
	return state
}

// Reset sets all counts to zero and forgets the last request.
func (s *Server) Reset() { s.tally.reset() }

// Wait blocks until the state satisfies ok, or ctx ends. ok may be called many
// times, from this goroutine only.
func (s *Server) Wait(ctx context.Context, ok func(State) bool) error {
	for {
		state, changed := s.tally.look()
		if ok(state) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for state, last %+v: %w", state, ctx.Err())
		}
	}
}
