package push

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"nearside/cloud/wire"
)

// errAgain ends a connection here in order to make another at once.
var errAgain = errors.New("another connection is made at once")

const (
	mostSession = 1 << 52 // a number beyond it is nobody's
	mostEarlier = 8       // processes of ours that may have left something behind
)

// run keeps the session until it ends, and says why it did.
func (s *session) run(ctx context.Context) error {
	err := s.keep(ctx)
	switch {
	case ctx.Err() != nil:
		s.leave()
	default:
		s.end(err)
	}
	return err
}

func (s *session) keep(ctx context.Context) error {
	if err := s.send(Note{Topic: string(wire.State), Body: s.state(true), Retain: true}); err != nil {
		return err
	}
	more := true // there may be something in the outbox
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := s.fill(ctx, &more); err != nil {
			return err
		}
		next, err := s.look()
		if err != nil {
			return err
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.lost:
			return s.reason
		case <-s.oldest():
			more = true
			err = s.settle(ctx)
		case b := <-s.births:
			err = s.judge(b)
		case <-s.wake:
			more = true
		case <-timer.C:
		}
		if err != nil {
			return err
		}
	}
}

// oldest is closed when the oldest note in flight was answered.
func (s *session) oldest() <-chan struct{} {
	if len(s.flight) == 0 {
		return nil
	}
	return s.flight[0].token.Done()
}

// fill sends notes while there is room in flight.
func (s *session) fill(ctx context.Context, more *bool) error {
	if !*more || len(s.flight) >= inFlight || time.Now().Before(s.rest) {
		return nil
	}
	notes, err := s.o.Outbox.Pending(ctx, inFlight)
	if err != nil {
		s.trouble("read the outbox", err)
		return nil
	}
	*more = len(notes) == inFlight
	for _, n := range notes {
		if slices.ContainsFunc(s.flight, func(f flying) bool { return f.id == n.ID }) {
			continue
		}
		if !s.room(len(n.Body)) {
			*more = true
			return nil
		}
		if err := s.send(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) room(bytes int) bool {
	for _, f := range s.flight {
		bytes += f.bytes
	}
	return len(s.flight) < inFlight && (bytes <= inFlightBytes || len(s.flight) == 0)
}

// trouble leaves the outbox alone for a while.
func (s *session) trouble(what string, err error) {
	s.rest = time.Now().Add(s.o.Pace.Answer)
	s.o.Log.Warn(what+" failed; notes wait", "err", err)
}

// send has paho send a note. Its answer comes later.
func (s *session) send(n Note) error {
	topic := wire.Topic{Tenant: s.o.Tenant, Device: s.o.Device}.String() + n.Topic
	token := s.client.Publish(topic, atLeastOnce, n.Retain, n.Body)
	select {
	case <-token.Done(): // so early, it is an error
		if err := token.Error(); err != nil {
			return s.guard.Why(fmt.Errorf("send a note: %w", err))
		}
	default:
	}
	s.flight = append(s.flight, flying{id: n.ID, bytes: len(n.Body), at: time.Now(), token: token})
	return nil
}

// settle removes from the outbox what was answered.
func (s *session) settle(ctx context.Context) error {
	var ids []int64
	for len(s.flight) > 0 {
		f := s.flight[0]
		select {
		case <-f.token.Done():
		default:
			return s.done(ctx, ids)
		}
		if err := f.token.Error(); err != nil {
			return errors.Join(s.guard.Why(fmt.Errorf("send a note: %w", err)), s.done(ctx, ids))
		}
		s.flight = s.flight[1:]
		if f.id == 0 {
			s.Link.born = true
			continue
		}
		ids = append(ids, f.id)
	}
	return s.done(ctx, ids)
}

// done takes notes out of the outbox. Those for which that fails are sent
// again.
func (s *session) done(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	s.note(func(st *Status) { st.Sent += uint64(len(ids)) })
	if err := s.o.Outbox.Done(ctx, ids...); err != nil {
		s.trouble("clear the outbox", err)
	}
	return nil
}

// look pings when it is time, ends a connection that is dead, and says when to
// look again.
func (s *session) look() (time.Duration, error) {
	now, wanted := time.Now(), aliveOf(s.o.KeepAlive)
	w := watch{announced: s.alive, answer: s.o.Pace.Answer, begun: s.guard.Begun(), sent: s.guard.LastSent(), heard: s.guard.LastHeard(), pinged: s.pinged}
	if len(s.flight) > 0 {
		w.owed = s.flight[0].at
	}
	v := w.look(now, wanted)
	if v.dead != nil {
		return 0, v.dead
	}
	if v.renew {
		return 0, errAgain
	}
	if v.ping {
		s.pinged = now
		if err := s.guard.Ping(); err != nil {
			return 0, err
		}
	}
	if rest := s.rest.Sub(now); rest > 0 {
		v.again = min(v.again, rest)
	}
	return v.again, nil
}

// judge looks at what is said of this device's state. What an earlier process of
// ours left behind has at most too high a number. A birth of another process that
// is not left from before is of somebody who has the same client id.
func (s *session) judge(b wire.Birth) error {
	if b.By == s.by {
		return nil
	}
	before, seen := s.earlier[b.By]
	if !s.born && !seen && len(s.earlier) < mostEarlier {
		s.earlier[b.By] = b.Session
		return s.raise(b.Session)
	}
	if b.Online && b.Session > before && !s.taken {
		s.taken = true
		s.note(func(st *Status) { st.TakenOver++ })
		s.o.Log.Warn("another device uses the client id of this one", "client_id", s.o.ClientID, "hint", "give each device a name and a certificate of its own")
		s.tell(TellTakenOver, map[string]any{"client_id": s.o.ClientID, "session": b.Session})
	}
	return nil
}

// raise makes another connection, once, when a broker has seen a number that is
// not below ours: else ours would pass for old.
func (s *session) raise(seen int64) error {
	if seen < s.number || seen >= mostSession || s.raised {
		return nil
	}
	s.raised, s.least = true, seen+1
	return errAgain
}

// receive is called by paho, on a goroutine of the message's own. It only
// enqueues.
func (s *session) receive(_ mqtt.Client, m mqtt.Message) {
	t, err := wire.ParseTopic(m.Topic())
	switch {
	case err != nil || !s.mine(t):
		s.note(func(st *Status) { st.Foreign++ })
		s.tell(TellForeign, map[string]any{"topic": fmt.Sprintf("%.200q", m.Topic())})
	case len(m.Payload()) > wire.MaxMessage:
		s.note(func(st *Status) { st.TooLarge++ })
		s.tell(TellTooLarge, map[string]any{"topic": m.Topic(), "limit_bytes": wire.MaxMessage})
	case len(m.Payload()) == 0: // what was retained is cleared
	case t.What == wire.State:
		s.hear(m.Payload())
	default:
		s.enqueue(t, m)
		return
	}
	m.Ack()
}

func (s *session) mine(t wire.Topic) bool {
	toUs := t.What == wire.Root || t.What == wire.Policy || t.What == wire.Command || t.What == wire.State
	return toUs && t.Tenant == s.o.Tenant && (t.Device == "" || t.Device == s.o.Device) && (t.Ring == "" || t.Ring == s.o.Ring)
}

// hear takes in a birth or a will; one too many is no loss.
func (s *session) hear(payload []byte) {
	b, err := wire.ParseBirth(payload)
	if err != nil {
		return
	}
	select {
	case s.births <- *b:
	default:
	}
}

func (s *session) enqueue(t wire.Topic, m mqtt.Message) {
	kind := string(t.What)
	if t.What == wire.Policy {
		kind = t.Kind
	}
	command := t.What == wire.Command
	l := &letter{Message: Message{Kind: kind, Body: m.Payload(), Topic: m.Topic(), Retained: m.Retained()}, command: command, ack: m.Ack}
	taken := s.inbox.add(l)
	if !taken {
		s.tell(TellOverflow, map[string]any{"topic": m.Topic(), "dropped": s.inbox.counts().dropped})
	}
	if !command || !taken {
		m.Ack()
	}
}
