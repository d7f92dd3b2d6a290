package steer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// drive does what the record asks for, until that is nothing or takes time.
func (s *Steer) drive(ctx context.Context) {
	for !s.unbooted {
		switch s.rec.Todo() {
		case trial.Swap:
			s.swap(ctx)
			continue
		case trial.Validate:
			if s.settled { // what it comes to could not be saved
				s.validate(ctx)
			}
		case trial.Observe:
			s.probe.Begin(time.Now(), s.rec.Probation, s.o.Subject.Figures())
		}
		return
	}
}

// validate has what was received looked at, aside.
func (s *Steer) validate(ctx context.Context) {
	if s.checking {
		return
	}
	s.checking = true
	h := s.rec.Next
	s.aside(func() func() {
		err := s.valid(ctx, h)
		return func() { s.validated(ctx, h, err) }
	})
}

// valid asks the subject, which may panic over what nobody foresaw.
func (s *Steer) valid(ctx context.Context, h *trial.Held) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &seal.Refusal{Reason: trial.Invalid, Detail: fmt.Sprintf("looking at it panicked: %v", v)}
		}
	}()
	p, err := h.Open()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, validateTime)
	defer cancel()
	if kind := s.o.Kinds[p.Kind]; kind != nil && p.Kind != seal.KindPolicy {
		err = kind.Validate(bounded, p)
	} else if p.Kind == seal.KindPolicy {
		err = s.o.Subject.Validate(bounded, p)
	} else {
		err = &seal.Refusal{Reason: seal.UnknownKind, Detail: "this device has no use for documents of kind " + p.Kind}
	}
	if ctx.Err() != nil {
		return ErrStopped
	}
	return err
}

// validated goes on with what is valid, and drops what is not.
func (s *Steer) validated(ctx context.Context, h *trial.Held, err error) {
	s.checking = false
	q := s.current
	s.current = nil
	if errors.Is(err, ErrStopped) {
		s.reply(q, news.Result{}, ErrStopped)
		return
	}
	if s.rec.Next != h {
		s.reply(q, news.Result{}, &seal.Refusal{Reason: trial.Busy, Detail: "the device was reset meanwhile; offer it again"})
		return
	}
	if q == nil { // it was received in an earlier life
		q = &offer{from: h.From, about: trial.Refused{Kind: h.Said.Kind, Version: h.Said.Version, Digest: h.Digest}}
	}
	if err == nil {
		err = s.store(ctx, h)
	}
	if err == nil {
		s.forget(q)
		s.reply(q, s.resultOf(h), nil)
		s.changed()
		s.answer()
		s.keepStep()
		return
	}
	if s.rec.Next == h {
		s.late(s.rec.Dropped())
	}
	s.refuse(q, err)
}

// store takes a valid document and puts it in force.
func (s *Steer) store(ctx context.Context, h *trial.Held) error {
	if h.Said.Kind != seal.KindPolicy {
		return s.storeKind(ctx, h)
	}
	old := s.rec.Trial
	now := s.o.Subject.Figures()
	if err := s.save(s.rec.Stored(s.usual.Figures(now))); err != nil {
		return err
	}
	s.usual.Try(now, s.rec.Probation.Usual)
	s.probe = trial.Probe{}
	if old != nil {
		s.tell(about(news.Replaced, old))
	}
	s.drive(ctx)
	if s.rec.Trial != h {
		return &seal.Refusal{Reason: trial.NotApplied, Detail: s.lastEvidence()}
	}
	return nil
}

func (s *Steer) lastEvidence() string {
	if n := len(s.rec.Bad); n > 0 && len(s.rec.Bad[n-1].Evidence) > 0 {
		return s.rec.Bad[n-1].Evidence[0]
	}
	return ""
}

// storeKind takes a document that needs no trial.
func (s *Steer) storeKind(ctx context.Context, h *trial.Held) error {
	if err := s.save(s.rec.Applied()); err != nil {
		return err
	}
	if err := s.apply(ctx, h); err != nil {
		return &seal.Refusal{Reason: trial.NotApplied, Detail: err.Error()}
	}
	s.tell(about(news.Applied, h))
	return nil
}

// apply puts a document of another kind in force, or gives it up for the one
// before it.
func (s *Steer) apply(ctx context.Context, h *trial.Held) error {
	kind := s.o.Kinds[h.Said.Kind]
	p, err := h.Open()
	if err == nil {
		err = guarded(func() error { return kind.Apply(ctx, p) })
	}
	if err == nil {
		s.rec = s.rec.InPlace(h.Said.Kind)
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	s.saveAnyhow(s.rec.Reverted(h, trial.NotApplied, []string{err.Error()}, s.now()))
	s.tell(s.badEvent())
	switch old := s.rec.Kinds[h.Said.Kind]; {
	case old != nil && (s.booting || errors.Is(err, errPanic)):
		_ = s.apply(ctx, old) // told there
	case errors.Is(err, errPanic): // halfway
		_ = guarded(func() error { return kind.Apply(ctx, nil) })
	}
	return err
}

// swap puts the candidate in force, or gives it up.
func (s *Steer) swap(ctx context.Context) {
	h := s.rec.Trial
	if err := s.enforce(ctx, h); err != nil {
		s.rollback(ctx, trial.NotApplied, []string{err.Error()})
		return
	}
	s.own = ""
	s.rec = s.rec.Swapped()
	s.tell(about(news.Candidate, h))
}

// keepStep saves that the candidate was swapped in. If that fails it does not
// matter: a candidate is put in force at boot.
func (s *Steer) keepStep() {
	if s.rec.Step == trial.OnTrial {
		_ = s.save(s.rec)
	}
}

func (s *Steer) enforce(ctx context.Context, h *trial.Held) error {
	if h == nil {
		return s.o.Subject.Swap(ctx, nil)
	}
	p, err := h.Open()
	if err != nil {
		return err
	}
	return guarded(func() error { return s.o.Subject.Swap(ctx, p) })
}

// guarded has a panic of the subject be an error: what is signed is not to end
// the process, at this boot and at each one after it.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	return f()
}

var errPanic = errors.New("it panicked")

// rollback gives up the policy in force. It takes effect even where it cannot
// be saved: harm is worse than being tried once more after a power cut.
func (s *Steer) rollback(ctx context.Context, why string, evidence []string) {
	s.saveAnyhow(s.rec.RolledBack(why, evidence, s.now()))
	s.fallBack(ctx)
	s.tell(s.badEvent())
	s.changed()
}

// fallBack puts the last good policy in force, or the device's own.
func (s *Steer) fallBack(ctx context.Context) {
	s.probe, s.own = trial.Probe{}, ""
	s.evidence = nil
	err := s.enforce(context.WithoutCancel(ctx), s.rec.Good)
	if err != nil && s.rec.Good != nil {
		s.own = err.Error()
		e := about(news.Unusable, s.rec.Good)
		e.Detail = s.own
		s.tell(e)
		_ = s.enforce(context.WithoutCancel(ctx), nil) // which was in force when the process began
	}
	s.usual.Begin(s.o.Subject.Figures())
}

// look judges the policy on trial.
func (s *Steer) look(ctx context.Context) {
	j := s.probe.Look(time.Now(), s.o.Subject.Figures())
	s.evidence = j.Evidence
	switch j.Decision {
	case trial.Confirm:
		s.confirm()
	case trial.RollBack:
		s.rollback(ctx, trial.Harm, j.Evidence)
	default:
		if s.probe.Unsaved() >= saveAsks {
			s.keepWatched()
			_ = s.save(s.rec) // else a power cut costs these asks
		}
	}
}

// keepWatched has the record know what was seen so far.
func (s *Steer) keepWatched() {
	if s.probe.Watches() && s.rec.Step == trial.OnTrial {
		s.rec = s.rec.Watched(s.probe.Save(time.Now(), s.o.Subject.Figures()))
	}
}

// confirm makes the policy on trial the last good one, as soon as that can be
// saved.
func (s *Steer) confirm() {
	next := s.rec.Confirmed(s.now())
	if s.save(next) != nil {
		return // it stays on trial, and is looked at again
	}
	e := about(news.Confirmed, next.Good)
	e.Evidence = s.evidence
	s.probe = trial.Probe{}
	s.tell(e)
	s.changed()
}

// age tells once when what is in force is past its end.
func (s *Steer) age() {
	h, now := s.rec.InForce(), s.reading()
	was := s.expired
	s.expired = h != nil && !h.Said.NotAfter.IsZero() && !h.Said.NotAfter.After(now.Time)
	if s.expired && !was {
		e := about(news.Expired, h)
		e.Detail = "ended at " + h.Said.NotAfter.Format(time.RFC3339) + "; it stays in force until another one comes"
		s.tell(e)
	}
}
