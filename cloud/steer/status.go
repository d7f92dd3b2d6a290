package steer

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

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
		st.Trial = &Trying{h.Said.Version, h.Digest, string(s.rec.Step), h.At, s.probe.Asks(), s.rec.Boots}
	}
	if s.rec.Next != nil {
		st.Candidate = s.rec.Next.Digest
	}
	if n := len(s.rec.Bad); n > 0 {
		st.RolledBack = &s.rec.Bad[n-1]
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
	return Event{Kind: EventRolledBack, What: b.Floor[strings.LastIndexByte(b.Floor, '/')+1:], Version: b.Version, Digest: b.Digest, Reason: b.Why, Evidence: b.Evidence}
}
