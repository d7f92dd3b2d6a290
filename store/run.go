package store

import (
	"context"
	"time"
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
	for s.answers.backlog.len() < batchItems && s.history.backlog.len() < batchItems {
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
		answers, decisions := s.answers.flush(ctx), s.history.flush(ctx)
		more = answers || decisions
	}
}

// upkeep goes in pieces, so that what is queued meanwhile does not wait for all of
// it, and is left for another time when ctx ends.
func (s *Store) upkeep(ctx context.Context) {
	work := context.WithoutCancel(ctx)
	for _, shelf := range []*shelf{s.answers, s.history} {
		for ctx.Err() == nil && shelf.sweep(work) {
			s.drain(work)
		}
		if err := shelf.relearn(ctx); err != nil && ctx.Err() == nil {
			shelf.file.log.Warn("every look-up goes to the disk", "file", shelf.file.name, "error", err)
		}
	}
	s.folder.fillReserve()
}
