package store

import (
	"context"
	"time"

	"nearside/store/shelf"
)

// gatherFor is how long what was queued may wait for more, so that one sync of
// the disk serves many.
const gatherFor = 200 * time.Millisecond

// Run writes what is queued, in batches, and keeps both files within their
// limits. It blocks until ctx ends, writes what is queued by then and returns
// nil; a failed write shows in Stats, not here. Call it once.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(upkeepInterval)
	defer tick.Stop()
	work := context.WithoutCancel(ctx) // a batch once begun is finished
	s.upkeep(ctx)
	s.write(work)
	for {
		select {
		case <-s.wake:
			s.gather(ctx)
			s.write(work)
		case <-tick.C:
			s.upkeep(ctx)
		case <-ctx.Done():
			for s.waits() {
				s.write(work)
			}
			return nil
		}
	}
}

// gather waits until there is a batch, or what there is has waited long enough.
func (s *Store) gather(ctx context.Context) {
	end := time.NewTimer(gatherFor)
	defer end.Stop()
	for !s.answers.Due() && !s.history.Due() {
		select {
		case <-s.wake:
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// write commits what waits, in batches. What comes meanwhile is gathered for the
// next time: a sync of the disk for few costs as much as one for many.
func (s *Store) write(ctx context.Context) {
	defer s.beside()()
	s.folder.regain()
	for more := true; more; {
		answers, decisions := s.answers.Flush(ctx), s.history.Flush(ctx)
		more = answers || decisions
	}
	if !s.waits() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // the writer has been told already
	}
}

func (s *Store) waits() bool { return s.answers.Waiting()+s.history.Waiting() > 0 }

// upkeep goes in pieces, so that what is queued meanwhile does not wait for all of
// it, and is left for another time when ctx ends.
func (s *Store) upkeep(ctx context.Context) {
	work := context.WithoutCancel(ctx)
	defer s.beside()()
	for _, h := range []*shelf.Shelf{s.answers, s.history} {
		for ctx.Err() == nil && h.Sweep(work) {
			s.write(work)
		}
		h.Relearn(ctx)
	}
	s.folder.fillReserve()
}
