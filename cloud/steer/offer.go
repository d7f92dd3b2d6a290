package steer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// offer is an envelope on its way.
type offer struct {
	envelope []byte
	from     string
	sum      [sha256.Size]byte
	answer   chan outcome  // nil when nobody waits
	reason   string        // why it waits
	about    trial.Refused // what is known of it, for a refusal
}

type outcome struct {
	result news.Result
	err    error
}

func (s *Steer) reply(q *offer, r news.Result, err error) {
	if q != nil && q.answer != nil {
		s.said = append(s.said, func() { q.answer <- outcome{r, err} })
	}
}

// Offer gives an envelope to the device: a policy, a document of another kind,
// a root. It returns when that is in force (a policy's probation goes on), was
// in force before, or is refused, which is a *[seal.Refusal]; at most 30 s. From
// says by which road it came. Any number of goroutines may offer; what is more
// than a queue holds is refused as busy.
func (s *Steer) Offer(ctx context.Context, envelope []byte, from string) (news.Result, error) {
	q := &offer{envelope: envelope, from: from, answer: make(chan outcome, 1)}
	q.sum = sum(envelope)
	select {
	case s.offers <- q:
	default:
		return news.Result{}, &seal.Refusal{Reason: trial.Busy, Detail: "64 offers wait already; offer it again later"}
	}
	ctx, cancel := context.WithTimeout(ctx, offerWait)
	defer cancel()
	select {
	case o := <-q.answer:
		return o.result, o.err
	case <-s.stopped:
		return news.Result{}, ErrStopped
	case <-ctx.Done():
		return news.Result{}, errors.New("it is still being looked at; its end will be in the status")
	}
}

// sum names bytes that came, the first of them where they are too many anyway.
func sum(envelope []byte) [sha256.Size]byte {
	return sha256.Sum256(envelope[:min(len(envelope), seal.MaxBytes+1)])
}

// take looks at an envelope and begins what it asks for.
func (s *Steer) take(ctx context.Context, q *offer) {
	if s.other.Swap(false) {
		s.known = nil
	}
	if why, there := s.known[q.sum]; there {
		s.reply(q, news.Result{}, &why)
		return
	}
	if r, err := s.accept(ctx, q); err != nil {
		s.refuse(q, err)
	} else if r != nil {
		s.forget(q)
		s.reply(q, *r, nil)
	}
}

// accept returns what came of the envelope, nil when that is not known yet.
func (s *Steer) accept(ctx context.Context, q *offer) (*news.Result, error) {
	e, err := seal.Open(q.envelope)
	if err != nil {
		return nil, err
	}
	if e.Type == seal.RootType {
		return s.rotate(q, e)
	}
	proof := s.proof()
	v, err := s.root.Verify(q.envelope, s.o.Device, s.rec.Heights(), s.rec.Clock.Read(proof))
	if v != nil {
		q.about.Kind, q.about.Version, q.about.Digest = v.Kind, v.Version, v.Digest
	}
	if err != nil {
		return nil, err
	}
	if done, err := s.before(v); done != nil || err != nil {
		return done, err
	}
	h, err := trial.Hold(s.share(string(e.Payload)), v.SignedBy, q.from, s.now())
	if err != nil {
		return nil, err
	}
	s.prepare(ctx, v.Kind)
	next := s.rec.Received(h)
	next.Clock = next.Clock.Heard(v.Issued, proof)
	if err := s.save(next); err != nil {
		return nil, err
	}
	s.current = q
	s.drive(ctx)
	return nil, nil
}

// prepare has the subject get ready while the disk keeps what came. The document
// itself is looked at only when that is kept, so that one which ends the process
// is known at the next boot.
func (s *Steer) prepare(ctx context.Context, kind string) {
	if p, ok := s.o.Subject.(Preparer); ok && kind == seal.KindPolicy {
		s.aside(func() func() { p.Prepare(ctx); return func() {} })
	}
}

// before tells whether a document is in force already, or was given up, or is
// of no use here.
func (s *Steer) before(v *seal.Verified) (*news.Result, error) {
	if bad := s.rec.Given(v.Digest); bad != nil {
		return nil, &seal.Refusal{Reason: trial.RolledBackBefore, Detail: "given up here at " + bad.At.Format(time.RFC3339) + ": " + bad.Why}
	}
	now := s.rec.Kinds[v.Kind]
	if v.Kind == seal.KindPolicy {
		now = s.rec.InForce()
	} else if s.o.Kinds[v.Kind] == nil {
		return nil, &seal.Refusal{Reason: seal.UnknownKind, Detail: "this device has no use for documents of kind " + v.Kind}
	}
	if now == nil || now.Digest != v.Digest {
		return nil, nil
	}
	r := s.resultOf(now)
	r.Again = true
	return &r, nil
}

func (s *Steer) resultOf(h *trial.Held) news.Result {
	r := news.Result{Kind: h.Said.Kind, Version: h.Said.Version, Digest: h.Digest}
	if r.Kind == seal.KindPolicy {
		r.State = s.rec.State()
	}
	return r
}

func (s *Steer) share(text string) string {
	if s.o.Share == nil {
		return text
	}
	return s.o.Share(text)
}

// rotate takes a root that follows the one that is trusted. One of the chain
// that comes again is nothing new, however it is wrapped. What is kept is the
// proof alone: a broker could fill the record with the rest.
func (s *Steer) rotate(q *offer, e *seal.Envelope) (*news.Result, error) {
	if s.trusts(e.Payload) {
		return &news.Result{Kind: "root", Version: s.root.Version, Again: true}, nil
	}
	root, err := s.root.Next(q.envelope)
	if err != nil {
		return nil, err
	}
	proof, err := s.root.Proof(q.envelope, root)
	if err != nil {
		return nil, err
	}
	next, err := s.rec.Rotated(s.base, s.share(string(proof)))
	if err != nil {
		return nil, err
	}
	if err := s.save(next); err != nil {
		return nil, err
	}
	s.root = root
	s.tell(news.Event{Kind: news.Root, Version: root.Version, From: q.from})
	s.changed()
	return &news.Result{Kind: "root", Version: root.Version}, nil
}

// trusts tells whether a root is one of those that are followed.
func (s *Steer) trusts(root []byte) bool {
	return slices.ContainsFunc(append([]string{string(s.o.Root)}, s.rec.Roots...), func(envelope string) bool {
		e, err := seal.Peek([]byte(envelope))
		return err == nil && bytes.Equal(e.Payload, root)
	})
}

// refuse says no, and remembers it, so that the same bytes are not judged
// again. What may be right later is kept, if there is room.
func (s *Steer) refuse(q *offer, err error) {
	why := refusal(err)
	s.reply(q, news.Result{}, why)
	if i := slices.IndexFunc(s.waiting, func(w *offer) bool { return w.sum == q.sum }); i >= 0 {
		q.reason = s.waiting[i].reason
	}
	if q.reason != why.Reason { // else it was told
		s.turnAway(q, *why)
	}
	switch why.Reason {
	case seal.NotYetValid, seal.UnknownKey, seal.TooFewSignatures, seal.WrongPrevious:
		s.keepWaiting(q, why.Reason)
	case trial.WaitsForFiles:
		s.waits(q)
	default:
		s.remember(q, *why)
	}
}

// refusal is what an error says to programs. One that is none says nothing of
// what was offered, such as that the past could not be read.
func refusal(err error) *seal.Refusal {
	var why *seal.Refusal
	if errors.As(err, &why) {
		return why
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &seal.Refusal{Reason: trial.Invalid, Detail: "to look at it took too long: " + err.Error()}
	}
	return &seal.Refusal{Reason: trial.NotJudged, Detail: err.Error()}
}

// waits tells who has files fetched that an envelope is to come again.
func (s *Steer) waits(q *offer) {
	s.forget(q)
	if s.o.Waits != nil && q.envelope != nil { // nil: of an earlier life
		s.o.Waits(q.envelope, q.from)
	}
}

// turnAway has the record know of a refusal, and tells it.
func (s *Steer) turnAway(q *offer, why seal.Refusal) {
	q.about.Refusal, q.about.From, q.about.At = why, q.from, s.now()
	if q.about.Digest == "" {
		q.about.Digest = hex.EncodeToString(q.sum[:])
	}
	s.late(s.rec.Turned(q.about))
	if muted, ok := s.pace.Tell(time.Now()); ok {
		s.tell(news.Event{
			Kind: news.Refused, What: q.about.Kind, Version: q.about.Version, Digest: q.about.Digest,
			Reason: why.Reason, Detail: why.Detail, From: q.from, More: muted,
		})
	}
}

// remember has the same bytes refused unseen, unless the reason may pass.
func (s *Steer) remember(q *offer, why seal.Refusal) {
	switch why.Reason {
	case seal.NotYetValid, trial.NotKept, trial.HarmfulReplay, trial.AnswersNothing, trial.NotJudged, trial.Busy, trial.TooManyCommands:
		return
	}
	if q.envelope == nil {
		return // of an earlier life
	}
	if len(s.known) >= maxKnown || s.known == nil {
		s.known = make(map[[sha256.Size]byte]seal.Refusal)
	}
	s.known[q.sum] = why
}

// keepWaiting keeps an envelope in memory: the newest few.
func (s *Steer) keepWaiting(q *offer, reason string) {
	if q.envelope == nil {
		return // of an earlier life
	}
	s.forget(q)
	s.waiting = append(s.waiting, &offer{envelope: q.envelope, from: q.from, sum: q.sum, reason: reason})
	s.waiting = s.waiting[max(0, len(s.waiting)-maxWaiting):]
}

// forget has an envelope wait no more.
func (s *Steer) forget(q *offer) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *offer) bool { return w.sum == q.sum })
}

// askWaiting looks at all that wait once more.
func (s *Steer) askWaiting() {
	s.asked = time.Now()
	s.again, s.waiting = append(s.again, s.waiting...), nil
}

// changed has everything judged anew: what was refused for how things were may
// be right now.
func (s *Steer) changed() {
	s.known = nil
	s.askWaiting()
}
