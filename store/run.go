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
	for {
		s.drain(work)
		select {
		case <-s.wake:
			s.gather(ctx)
		case <-tick.C:
			s.upkeep(ctx)
		case <-ctx.Done():
			s.drain(work)
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

func (s *Store) drain(ctx context.Context) {
	for more := true; more; {
		answers, decisions := s.answers.Flush(ctx), s.history.Flush(ctx)
		more = answers || decisions
	}
}

// upkeep goes in pieces, so that what is queued meanwhile does not wait for all of
// it, and is left for another time when ctx ends.
func (s *Store) upkeep(ctx context.Context) {
	work := context.WithoutCancel(ctx)
	for _, h := range []*shelf.Shelf{s.answers, s.history} {
		for ctx.Err() == nil && h.Sweep(work) {
			s.drain(work)
		}
		h.Relearn(ctx)
	}
	s.folder.fillReserve()
}
