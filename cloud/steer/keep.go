package steer

import (
	"context"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

const (
	firstGap = time.Second
	mostGap  = 10 * time.Minute
)

// save makes a record durable, and only then the one that counts. An error is a
// refusal; the old record stays. While the other copy is being read nothing is
// saved: it may be newer than what is known here, and must not be lost.
func (s *Steer) save(next trial.Record) error {
	if s.asking {
		return &seal.Refusal{Reason: trial.NotKept, Detail: "the other copy of the record is not read yet"}
	}
	s.counted()
	if s.settled {
		next.Seq++
	}
	next.Clock = next.Clock.Raise(s.proof())
	b, err := next.Encode()
	if err == nil {
		err = s.keep(b)
	}
	if err != nil {
		s.rec.Seq = next.Seq // it may have landed all the same
		s.failed(err)
		return &seal.Refusal{Reason: trial.NotKept, Detail: err.Error()}
	}
	s.saves++
	s.rec, s.unsaved, s.dirty, s.unbooted = next, "", time.Time{}, false
	s.savedAt, s.raised = time.Now(), time.Now()
	return nil
}

// keep has a record on the disk when it returns without an error.
func (s *Steer) keep(record []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTime) // a save is not given up halfway
	defer cancel()
	return s.o.Keeper.Save(ctx, record)
}

// failed tells once that saving fails.
func (s *Steer) failed(err error) {
	if s.unsaved == "" {
		s.tell(news.Event{Kind: news.Unsaved, Detail: err.Error()})
	}
	s.unsaved = err.Error()
}

// saveAnyhow takes a record even if it cannot be saved now; that is tried again.
func (s *Steer) saveAnyhow(next trial.Record) {
	if s.save(next) != nil {
		next.Seq = s.rec.Seq
		s.rec = next
		s.gap = firstGap
		s.mark()
	}
}

// late takes a record that is to be saved, and that nobody waits for: soon
// after the first, ever more seldom while they go on, so that a flood of bad
// envelopes does not wear out the storage.
func (s *Steer) late(next trial.Record) {
	s.rec = next
	if !s.dirty.IsZero() {
		return
	}
	if s.gap *= 2; time.Since(s.savedAt) >= mostGap {
		s.gap = firstGap
	}
	s.gap = min(max(s.gap, firstGap), mostGap)
	s.mark()
}

func (s *Steer) mark() {
	if s.dirty.IsZero() {
		s.dirty = time.Now()
	}
}

// saveLate saves what nobody waits for.
func (s *Steer) saveLate() {
	if s.save(s.rec) != nil {
		s.dirty, s.gap = time.Now(), min(max(2*s.gap, firstGap), time.Minute)
	}
}

// proof is what speaks for the time.
func (s *Steer) proof() seal.Evidence {
	e := s.o.Clock()
	e.Elapsed = time.Since(s.raised)
	return e
}

func (s *Steer) reading() seal.Reading { return s.rec.Clock.Read(s.proof()) }

func (s *Steer) now() time.Time { return s.reading().Time }
