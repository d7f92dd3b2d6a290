package steer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/trial"
)

// publish makes the status of now the one that others see.
func (s *Steer) publish() {
	now := s.describe()
	old := s.status.Swap(&now)
	if s.o.Report != nil && (old == nil || !old.Same(&now)) {
		s.o.Report(now)
	}
}

func (s *Steer) describe() news.Status {
	st := news.Status{
		State: s.rec.State(), Expired: s.expired, LastRefusal: s.rec.Refused, Evidence: s.evidence, Floors: s.rec.Floors,
		Clock: s.reading(), RootVersion: s.root.Version, Session: s.rec.Session, Waiting: len(s.waiting) + len(s.again),
		Unsaved: s.unsaved, Fault: s.own, Saves: s.saves, Counts: s.rec.Counts,
	}
	if h := s.rec.InForce(); h != nil && s.own == "" && !s.unbooted {
		st.Version, st.Epoch, st.Digest, st.Signers = h.Said.Version, h.Said.Epoch, h.Digest, h.SignedBy
	}
	if h := s.rec.Trial; h != nil {
		st.Trial = &news.Trial{
			Version: h.Said.Version, Digest: h.Digest, Step: string(s.rec.Step), Since: h.At, Asks: s.probe.Asks(), Boots: s.rec.Boots,
		}
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

func (s *Steer) tell(e news.Event) {
	e.At = s.now().UTC().Truncate(time.Millisecond)
	if s.o.Tell != nil {
		s.o.Tell(e)
	}
}

func about(kind string, h *trial.Held) news.Event {
	return news.Event{Kind: kind, What: h.Said.Kind, Version: h.Said.Version, Digest: h.Digest, From: h.From}
}

// badEvent tells of the document that was given up last.
func (s *Steer) badEvent() news.Event {
	b := s.rec.Bad[len(s.rec.Bad)-1]
	return news.Event{Kind: news.RolledBack, What: b.Floor[strings.LastIndexByte(b.Floor, '/')+1:], Version: b.Version, Digest: b.Digest, Reason: b.Why, Evidence: b.Evidence}
}
