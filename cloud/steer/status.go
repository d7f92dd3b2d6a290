package steer

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// publish makes the status of now the one that others see.
func (s *Steer) publish() {
	now := s.describe()
	old := s.status.Swap(&now)
	if s.o.Report != nil && (old == nil || !same(*old, now)) {
		s.o.Report(now)
	}
}

// same tells whether two looks differ in nothing that others want to know.
func same(a, b Status) bool {
	a.Clock.Time, a.Saves, a.Evidence = b.Clock.Time, b.Saves, b.Evidence
	if a.Trial != nil && b.Trial != nil {
		t := *a.Trial
		t.Asks = b.Trial.Asks
		a.Trial = &t
	}
	return reflect.DeepEqual(a, b)
}

func (s *Steer) describe() Status {
	st := Status{
		State: s.rec.State(), Expired: s.expired, LastRefusal: s.rec.Refused, Evidence: s.evidence, Floors: s.rec.Floors,
		Clock: s.reading(), RootVersion: s.root.Version, Session: s.rec.Session, Waiting: len(s.waiting) + len(s.again),
		Unsaved: s.unsaved, Fault: s.own, Saves: s.saves, Counts: s.rec.Counts,
	}
	if h := s.rec.InForce(); h != nil && s.own == "" && !s.unbooted {
		st.Version, st.Epoch, st.Digest, st.Signers = h.Said.Version, h.Said.Epoch, h.Digest, h.SignedBy
	}
	if h := s.rec.Trial; h != nil {
		st.Trial = &Trying{h.Said.Version, h.Digest, string(s.rec.Step), h.At, s.probe.asks, s.rec.Boots}
	}
	if s.rec.Next != nil {
		st.Candidate = s.rec.Next.Digest
	}
	for i := range slices.Backward(s.rec.Bad) {
		if s.rec.Bad[i].Why != "" {
			st.RolledBack = &s.rec.Bad[i]
			break
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(s.rec.Kinds)) {
		st.Kinds = append(st.Kinds, s.resultOf(s.rec.Kinds[kind]))
	}
	return st
}

func (s *Steer) tell(e Event) {
	e.At = s.now().UTC().Truncate(time.Millisecond)
	if s.o.Tell != nil {
		s.o.Tell(e)
	}
}

func about(kind string, h *trial.Held) Event {
	return Event{Kind: kind, What: h.Said.Kind, Version: h.Said.Version, Digest: h.Digest, From: h.From}
}

// badEvent tells of the document that was given up last.
func (s *Steer) badEvent() Event {
	b := s.rec.Bad[len(s.rec.Bad)-1]
	return Event{Kind: EventRolledBack, What: kindOf(b), Version: b.Version, Digest: b.Digest, Reason: b.Why, Evidence: b.Evidence}
}

func kindOf(b trial.Bad) string {
	for _, kind := range seal.Kinds() {
		if n := len(b.Floor) - len(kind); n > 0 && b.Floor[n:] == kind && b.Floor[n-1] == '/' {
			return kind
		}
	}
	return ""
}

// pace bounds how many refusals are told: 16 at once, then one in 10 s, with
// how many were not.
type pace struct {
	full  time.Time // when 16 may be told at once again
	muted int64
}

func (p *pace) refused(s *Steer, e Event) {
	const every, burst = 10 * time.Second, 16
	now := time.Now()
	if p.full.Before(now) {
		p.full = now
	}
	if p.full.Sub(now) > (burst-1)*every {
		p.muted++
		return
	}
	p.full = p.full.Add(every)
	e.More, p.muted = p.muted, 0
	s.tell(e)
}
