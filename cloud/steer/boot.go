package steer

import (
	"context"
	"fmt"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// load reads the copy of the record that is there at once.
func (s *Steer) load() {
	b, err := s.o.Keeper.Load()
	if err == nil && len(b) > 0 {
		s.rec, err = trial.Decode(b)
	}
	if err != nil {
		s.rec, s.damaged = trial.Record{}, err.Error()
	}
	s.loaded = s.rec.Seq
	s.adapt()
}

// adapt makes a record that was read one of this device as it is configured.
func (s *Steer) adapt() {
	for _, h := range []*trial.Held{s.rec.Good, s.rec.Before, s.rec.Trial, s.rec.Next} {
		if h != nil {
			h.Payload = s.share(h.Payload)
		}
	}
	var lost int64
	if s.rec, s.root, lost = s.rec.Follow(s.root, s.base); lost > 0 {
		s.tell(news.Event{Kind: news.RootsLost, Version: s.root.Version, Detail: fmt.Sprintf("the chain of roots up to %d does not follow the configured one; this device trusts root %d", lost, s.root.Version)})
	}
	old := s.rec.InForce()
	s.rec = s.rec.Moved(s.o.Device.Tenant, s.o.Device.Channel)
	if old != nil && s.rec.InForce() == nil {
		s.tell(news.Event{Kind: news.Moved, Version: old.Said.Version, Digest: old.Digest, Detail: fmt.Sprintf("it was for %s; this device is in %s/%s now", old.Floor(), s.o.Device.Tenant, s.o.Device.Channel)})
	}
}

// bootWait is how long the first ask may be kept waiting for the disk.
const bootWait = 10 * time.Millisecond

// boot counts the boot, durably, before anything that is being tried is tried
// again: where that fails, and as long as it lasts, the last good policy is in
// force.
func (s *Steer) boot(ctx context.Context) {
	s.booting = true
	next := s.rec.Booted(s.now())
	gaveUp := next.Counts.Rolled > s.rec.Counts.Rolled
	if next.Trial == nil && next.Next == nil && !gaveUp {
		s.rec = next // nothing is tried: the start need not wait for the disk
		s.mark()
	} else {
		s.count(next)
	}
	s.unbooted = (s.unsaved != "" || s.counting != nil) && (s.rec.Trial != nil || s.rec.Next != nil)
	if gaveUp {
		s.tell(s.badEvent())
	}
	if s.unbooted || s.rec.Trial == nil && s.rec.Good != nil {
		s.fallBack(ctx)
	}
	for name, h := range s.rec.Kinds {
		if s.o.Kinds[name] != nil {
			_ = s.apply(ctx, h) // told there
		}
	}
	s.booting = false
	s.drive(ctx)
	s.age()
}

// count saves that there was a boot. A disk that is slow does not keep the first
// ask waiting, only what is being tried: a crash before the boot is counted
// cannot be the fault of that.
func (s *Steer) count(next trial.Record) {
	s.counted()
	next.Clock = next.Clock.Raise(s.proof())
	if s.settled {
		next.Seq++
	}
	s.rec = next
	done := make(chan error, 1)
	s.counting = done
	b, err := next.Encode()
	if err != nil {
		done <- err
		s.counted()
		return
	}
	go func() { done <- s.keep(b) }()
	late := time.NewTimer(bootWait)
	defer late.Stop()
	select {
	case err := <-done:
		done <- err
		s.counted()
	case <-late.C:
	}
}

// counted waits for the boot to be counted.
func (s *Steer) counted() {
	if s.counting == nil {
		return
	}
	err := <-s.counting
	s.counting = nil
	if err != nil {
		s.failed(err)
		s.gap = firstGap
		s.mark()
		return
	}
	s.saves++
	s.unsaved, s.dirty, s.unbooted = "", time.Time{}, false
	s.savedAt, s.raised = time.Now(), time.Now()
}

// settle compares the other copy of the record with the one of the boot. The
// newer one counts; floors are the higher of both.
func (s *Steer) settle(ctx context.Context, c copied) {
	if ctx.Err() != nil {
		s.asking = c.err == nil // what was read, and not looked at, is left alone
		return
	}
	other, why := readCopy(c)
	s.settled, s.asking = true, false
	switch {
	case why == "" && other.Seq > s.loaded:
		s.adopt(ctx, other)
	case why != "" && s.damaged != "":
		s.tell(news.Event{Kind: news.Lost, Detail: s.damaged + "; the other copy: " + why})
		s.saveAnyhow(s.rec)
	case why != "" && s.loaded > 0, other.Seq < s.loaded-1:
		s.tell(news.Event{Kind: news.Floor, Detail: "the second copy was restored: " + orOld(why)})
		fallthrough
	case why == "":
		s.saveAnyhow(s.rec.Risen(other.Floors))
	}
}

// readCopy is the other copy, or why there is none.
func readCopy(c copied) (trial.Record, string) {
	if c.err != nil {
		return trial.Record{}, c.err.Error()
	}
	if len(c.record) == 0 {
		return trial.Record{}, "it was missing"
	}
	r, err := trial.Decode(c.record)
	if err != nil {
		return trial.Record{}, err.Error()
	}
	return r, ""
}

func orOld(why string) string {
	if why == "" {
		return "it was old"
	}
	return why
}

// adopt takes the other copy, as if it had been there at boot.
func (s *Steer) adopt(ctx context.Context, other trial.Record) {
	mine := s.rec
	if s.loaded == 0 || s.loaded < other.Seq-1 {
		s.tell(news.Event{Kind: news.Floor, Detail: "the first copy was restored: " + orOld(s.damaged)})
	}
	root, err := seal.ParseRoot(s.o.Root)
	if err != nil {
		return // it was read at the start
	}
	s.root, s.rec, s.damaged = root, other.Risen(mine.Floors), ""
	s.probe = trial.Probe{}
	s.adapt()
	s.rec.Session = max(s.rec.Session, mine.Session-1)
	if s.rec.InForce() == nil && mine.InForce() != nil {
		s.fallBack(ctx)
	}
	for name := range mine.Kinds {
		if kind := s.o.Kinds[name]; kind != nil && s.rec.Kinds[name] == nil {
			_ = kind.Apply(ctx, nil) // the device's own is always there
		}
	}
	s.boot(ctx)
	s.counted() // no first ask waits any more
}
