package steer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// order is a command on its way.
type order struct {
	envelope []byte
	answer   chan answered
}

type answered struct {
	news.Answer
	err error
}

func (s *Steer) replyOrder(q *order, a news.Answer, err error) {
	s.said = append(s.said, func() { q.answer <- answered{a, err} })
}

// Command obeys a signed command once, however often it comes: again and again
// it has the same answer, also after a restart. What is refused is a
// *[seal.Refusal].
func (s *Steer) Command(ctx context.Context, envelope []byte) (news.Answer, error) {
	q := &order{envelope, make(chan answered, 1)}
	select {
	case s.orders <- q:
	default:
		return news.Answer{}, &seal.Refusal{Reason: trial.Busy, Detail: "64 commands wait already"}
	}
	select {
	case a := <-q.answer:
		return a.Answer, a.err
	case <-s.stopped:
		return news.Answer{}, ErrStopped
	case <-ctx.Done():
		return news.Answer{}, ctx.Err()
	}
}

// obey verifies a command and does what it says, unless that was done.
func (s *Steer) obey(ctx context.Context, q *order) {
	o := &offer{envelope: q.envelope, from: "command", sum: sum(q.envelope)}
	if why, there := s.known[o.sum]; there {
		s.replyOrder(q, news.Answer{}, &why)
		return
	}
	c, err := s.root.VerifyCommand(q.envelope, s.o.Device, s.reading())
	if err == nil {
		err = s.order(ctx, c, q)
	}
	if err != nil {
		why := refusal(err)
		s.replyOrder(q, news.Answer{}, why)
		s.turnAway(o, *why)
		s.remember(o, *why)
	}
}

// order does what a verified command says.
func (s *Steer) order(ctx context.Context, c *seal.Command, q *order) error {
	if all, there := s.obeying[c.ID]; there {
		s.obeying[c.ID] = append(all, q)
		return nil
	}
	if seen, there := s.rec.Answered(c.ID); there {
		s.replyOrder(q, s.sayAgain(seen), nil)
		return nil
	}
	if c.Do == Rollback {
		return s.orderedBack(ctx, c, q)
	}
	f := s.o.Commands[c.Do]
	if f == nil { // its signers wait for an answer
		f = s.unknown(c.Do)
	}
	if len(s.obeying) >= maxObeying {
		return &seal.Refusal{Reason: trial.Busy, Detail: "4 commands are being obeyed"}
	}
	next, err := s.rec.Begun(c.ID, c.NotAfter)
	if err == nil {
		err = s.save(next)
	}
	if err == nil {
		s.perform(ctx, c, f, q)
	}
	return err
}

// unknown is the answer to a command that this program does not know.
func (s *Steer) unknown(do string) Obey {
	known := append(slices.Sorted(maps.Keys(s.o.Commands)), Rollback)
	return func(context.Context, map[string]string) (json.RawMessage, error) {
		return nil, &seal.Refusal{Reason: trial.UnknownCommand, Detail: fmt.Sprintf("%q; known are %s", do, strings.Join(known, ", "))}
	}
}

// sayAgain is the answer that was given; one whose end nobody saw is no
// success, and not tried again.
func (s *Steer) sayAgain(seen trial.Seen) news.Answer {
	a := news.Answer{ID: seen.ID, OK: seen.OK, Again: true}
	switch {
	case seen.Answer != "":
		a.Result = json.RawMessage(seen.Answer)
	case !seen.Done:
		a.Result = json.RawMessage(`{"error":"interrupted: it was begun, and the process ended before it did"}`)
	}
	return a
}

// perform obeys aside, and answers all who asked meanwhile.
func (s *Steer) perform(ctx context.Context, c *seal.Command, f Obey, q *order) {
	if s.obeying == nil {
		s.obeying = map[string][]*order{}
	}
	s.obeying[c.ID] = []*order{q}
	s.aside(func() func() {
		bounded, cancel := context.WithTimeout(ctx, obeyTime)
		defer cancel()
		result, err := obeyed(bounded, f, c.Args)
		return func() { s.performed(c, result, err) }
	})
}

func obeyed(ctx context.Context, f Obey, args map[string]string) (result json.RawMessage, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked: %v", v)
		}
	}()
	return f(ctx, args)
}

func (s *Steer) performed(c *seal.Command, result json.RawMessage, err error) {
	if err == nil && len(result) > 0 && !json.Valid(result) {
		err = errors.New("its answer is no JSON")
	}
	if err != nil {
		result = fault(err)
	}
	s.saveAnyhow(s.rec.Ended(c.ID, err == nil, string(result)))
	for _, q := range s.obeying[c.ID] {
		s.replyOrder(q, news.Answer{ID: c.ID, OK: err == nil, Result: result}, nil)
	}
	delete(s.obeying, c.ID)
	s.tell(news.Event{Kind: news.Command, What: c.Do, Detail: c.ID})
}

func fault(err error) json.RawMessage {
	b, _ := json.Marshal(map[string]string{"error": err.Error()}) // text always encodes
	return b
}

// orderedBack rolls back because a command says so: what it does and that it
// was done are saved as one.
func (s *Steer) orderedBack(ctx context.Context, c *seal.Command, q *order) error {
	next, err := s.rec.Begun(c.ID, c.NotAfter)
	if err != nil {
		return err
	}
	h := s.rec.InForce()
	if h == nil {
		next = next.Ended(c.ID, false, string(fault(errors.New(trial.NothingToRoll))))
	} else {
		next = next.RolledBack(trial.Ordered, []string{"by command " + c.ID}, s.now())
		to := int64(0)
		if next.Good != nil {
			to = next.Good.Said.Version
		}
		next = next.Ended(c.ID, true, fmt.Sprintf(`{"from":%d,"to":%d}`, h.Said.Version, to))
	}
	if err := s.save(next); err != nil {
		return err
	}
	if h != nil {
		s.fallBack(ctx)
		s.tell(s.badEvent())
		s.changed()
	}
	seen, _ := s.rec.Answered(c.ID)
	a := s.sayAgain(seen)
	a.Again = false
	s.replyOrder(q, a, nil)
	s.tell(news.Event{Kind: news.Command, What: c.Do, Detail: c.ID})
	return nil
}
