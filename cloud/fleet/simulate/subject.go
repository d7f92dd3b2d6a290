package simulate

import (
	"context"
	"sync"
	"time"

	"nearside/policy"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// maxBehind bounds the asks that are made up at one look: those of a longer
// time nobody looked at are left out.
const maxBehind = 300

// subject is what is steered on a light device: a document and what comes of
// asks by it.
type subject struct {
	read Read
	own  *policy.Document
	rate float64 // asks a second

	mu      sync.Mutex // guards all below
	doc     *policy.Document
	world   world
	figures trial.Figures
	asked   time.Time // up to here, asks were made up
}

// Validate tells why a policy cannot be read.
func (s *subject) Validate(_ context.Context, p *seal.Payload) error {
	_, err := s.read(p.Body)
	return err
}

// Swap puts a policy in force, nil for the device's own.
func (s *subject) Swap(_ context.Context, p *seal.Payload) error {
	next := s.own
	if p != nil {
		var err error
		if next, err = s.read(p.Body); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live()
	s.doc = next
	return nil
}

// Figures are what came of the asks until now.
func (s *subject) Figures() trial.Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live()
	return s.figures
}

// live makes up the asks since the last look. The lock is held.
func (s *subject) live() {
	now := time.Now()
	n := int(now.Sub(s.asked).Seconds() * s.rate)
	if n <= 0 {
		return
	}
	if n > maxBehind {
		n, s.asked = maxBehind, now
	} else {
		s.asked = s.asked.Add(time.Duration(float64(n) / s.rate * float64(time.Second)))
	}
	for range n {
		s.figures.Begun++
		s.figures.Add(s.world.ask(s.doc))
	}
}
