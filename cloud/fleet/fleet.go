package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nearside/cloud/fleet/broker"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// Fleet is a session with the broker of a fleet, and the view of it.
type Fleet struct {
	*View
	session *broker.Session
}

// Options say which fleet, and how to reach its broker. With a Root only what
// its keys signed counts as published.
type Options struct {
	Broker broker.Options
	Tenant string
	Root   *seal.Root
}

// How long nothing must come until all that is retained is taken to be there:
// MQTT does not say. And how long that may take.
const (
	quiet   = 300 * time.Millisecond
	settles = 30 * time.Second
)

// Open connects and takes in what the broker retains of the tenant.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	if err := wire.CheckName("--tenant", o.Tenant); err != nil {
		return nil, err
	}
	v := NewView(o.Tenant, o.Root)
	s, err := broker.Dial(ctx, o.Broker, func(topic string, body []byte, retained bool) {
		v.Take(topic, body, retained, time.Now())
	})
	if err != nil {
		return nil, err
	}
	f := &Fleet{View: v, session: s}
	if err := f.fill(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return f, nil
}

// fill subscribes, and waits until it is quiet.
func (f *Fleet) fill(ctx context.Context) error {
	filters := slices.Concat(wire.TellFilters(f.tenant), wire.PublishedFilters(f.tenant), wire.RolloutFilters(f.tenant))
	if err := f.session.Subscribe(ctx, filters...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	for {
		before, _ := f.Messages()
		if err := f.pause(ctx, quiet); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if now, _ := f.Messages(); now == before || ctx.Err() != nil {
			return nil
		}
	}
}

// pause waits for so long, or until the session or the context ends.
func (f *Fleet) pause(ctx context.Context, long time.Duration) error {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-f.session.Lost():
		return broker.ErrLost
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// beat is how often a condition is looked at while messages come.
const beat = 50 * time.Millisecond

// Until waits until the condition holds, looking when something came; it is
// false when so much time passed first. The error is that of a lost session or
// a context that ended.
func (f *Fleet) Until(ctx context.Context, long time.Duration, holds func() bool) (bool, error) {
	end := time.NewTimer(long)
	defer end.Stop()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for seen := -1; ; {
		if n, _ := f.Messages(); n != seen {
			if seen = n; holds() {
				return true, nil
			}
		}
		select {
		case <-tick.C:
		case <-end.C:
			return holds(), nil
		case <-f.session.Lost():
			return false, broker.ErrLost
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// Lost is closed when the session ends other than by Close.
func (f *Fleet) Lost() <-chan struct{} { return f.session.Lost() }

// Close ends the session.
func (f *Fleet) Close() { f.session.Close() }

// echo is how long a broker may take to send back what it was given.
const echo = 10 * time.Second

// errKept is that a broker said yes and kept nothing, which is what MQTT 3.1.1
// brokers do with what is not allowed.
var errKept = errors.New("the broker took it and did not keep it; does this user have the operator's rights? (build/mqtt has the ACLs)")

// publish retains a message, or clears one, and takes it in as though it had
// come back.
func (f *Fleet) publish(ctx context.Context, topic wire.Topic, body []byte) error {
	if err := f.session.Publish(ctx, topic.String(), body, true); err != nil {
		return err
	}
	f.Take(topic.String(), body, true, time.Now())
	return nil
}

// Place is where an envelope is retained: a ring's topic or, where Device is
// not "", that device's.
type Place struct {
	Ring, Device string
	Kind         string
}

func (f *Fleet) topic(p Place) wire.Topic {
	return wire.Topic{Tenant: f.tenant, What: wire.Policy, Ring: p.Ring, Device: p.Device, Kind: p.Kind}
}

// At is what a place retains.
func (f *Fleet) At(p Place) Published {
	if p.Device == "" {
		return f.Ring(p.Ring, p.Kind)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.devices[p.Device]; d != nil {
		return d.Held[p.Kind]
	}
	return Published{}
}

// Push retains an envelope at a place and waits until the broker has sent it
// back, the only proof that it was allowed. An empty envelope clears the place.
func (f *Fleet) Push(ctx context.Context, p Place, envelope []byte) error {
	return f.pushTo(ctx, f.topic(p), envelope)
}

// PushRoot retains a root for all devices of the tenant.
func (f *Fleet) PushRoot(ctx context.Context, version int64, envelope []byte) error {
	return f.pushTo(ctx, wire.Topic{Tenant: f.tenant, What: wire.Root, Version: version}, envelope)
}

func (f *Fleet) pushTo(ctx context.Context, t wire.Topic, body []byte) error {
	if t.What != wire.Root {
		if err := wire.CheckName("the ring or device", t.Ring+t.Device); err != nil {
			return err
		}
	}
	return f.prove(ctx, t, body)
}

// prove retains a message and waits until the broker has sent it back.
func (f *Fleet) prove(ctx context.Context, t wire.Topic, body []byte) error {
	before := f.echoes(t.String())
	if err := f.session.Publish(ctx, t.String(), body, true); err != nil {
		return err
	}
	back, err := f.Until(ctx, echo, func() bool { return f.echoes(t.String()) > before })
	if err == nil && !back {
		return fmt.Errorf("publish to %s: %w", t, errKept)
	}
	return err
}
