package steer

import (
	"context"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// Reset returns the device to its own policy by hand: what came from outside is
// dropped. Floors, roots and what was found to be bad stay, so that nothing old
// comes again; with forget they go, too, as for a fleet that begins anew. It
// returns when that is in force and would survive a power cut.
func (s *Steer) Reset(ctx context.Context, forget bool) error {
	done := make(chan error, 1)
	select {
	case s.ended <- func() {
		err := s.reset(context.WithoutCancel(ctx), forget)
		s.answer() // who hears of it may look at once
		done <- err
	}:
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-s.stopped:
		return ErrStopped
	}
}

func (s *Steer) reset(ctx context.Context, forget bool) error {
	if !s.settled {
		return &seal.Refusal{Reason: trial.Busy, Detail: "the store is not open yet; try it again in a moment"}
	}
	root := s.root
	if forget {
		var err error
		if root, err = seal.ParseRoot(s.o.Root); err != nil {
			return err
		}
	}
	if err := s.save(s.rec.Reset(forget)); err != nil {
		return err
	}
	s.root, s.probe, s.own, s.evidence = root, trial.Probe{}, "", nil
	s.waiting, s.again, s.known = nil, nil, nil // nobody waits for what comes of these
	s.tell(news.Event{Kind: news.Reset})
	for _, kind := range s.o.Kinds { // also where nothing is in force: something may wait to be
		_ = kind.Apply(ctx, nil) // there is nothing older to go back to
	}
	return s.enforce(ctx, nil)
}
