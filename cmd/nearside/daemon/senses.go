package daemon

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/config"
	"nearside/agent/server/signals"
	"nearside/agent/server/status"
	"nearside/cloud/network"
	"nearside/local/sense"
	"nearside/policy"
)

// senses are what the daemon knows of its device, and the rules held for it.
type senses struct {
	latest sense.Latest
	now    atomic.Pointer[situation]
	mu     sync.Mutex // guards the making of a situation from the one before
	tells  sync.Mutex // held from reading latest to telling of it, so that what is told last is the latest
}

// situation is the device's side of the signals at one time. It never changes;
// another takes its place.
type situation struct {
	signals policy.Signals   // Device, Network and Held
	doc     *policy.Document // whose rules are held
	until   time.Time
}

// renewal is how long a situation counts at most, so that what expires while
// the device sleeps does not outlive that by long.
const renewal = time.Second

// situation is the device's side of the signals now.
func (d *daemon) situation(now time.Time) *situation {
	way, doc := d.cloud.Network(), d.agent.Policy().Doc
	s := d.senses.now.Load()
	if s != nil && s.doc == doc && s.signals.Network == way.State && same(s.signals.Device.Metered, way.Metered) && now.Before(s.until) {
		return s
	}
	return d.senses.renew(way, doc, now)
}

// renew makes the situation anew, with the rules that hold in it.
func (s *senses) renew(way network.View, doc *policy.Document, now time.Time) *situation {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, until := s.latest.At(now)
	next := &situation{doc: doc, until: now.Add(min(renewal, until.Sub(now)))}
	for name, r := range known {
		_ = next.signals.Set(name, r.Value) // what is no signal of policy's, or out of bounds, is not known to it
	}
	next.signals.Network, next.signals.Device.Metered = way.State, way.Metered // the pool knows what was pushed of them
	if before := s.now.Load(); before != nil {
		next.signals.Held, next.signals.HeldSince = before.signals.Held, before.signals.HeldSince
	}
	next.signals.Time = now
	next.signals.Held, next.signals.HeldSince = policy.Hold(doc, &next.signals)
	s.now.Store(next)
	return next
}

func same(x, y *bool) bool { return x == y || x != nil && y != nil && *x == *y }

// changed has the pool and the rules see what is known now.
func (d *daemon) changed() {
	d.senses.tells.Lock()
	defer d.senses.tells.Unlock()
	now := time.Now()
	known, _ := d.senses.latest.At(now)
	d.tellPool(known, now)
	d.senses.renew(d.cloud.Network(), d.agent.Policy().Doc, now)
}

// tellPool hands on what the host app says of the network, and what the kind of
// its link and the battery say of its price.
func (d *daemon) tellPool(known sense.Readings, now time.Time) {
	state, _ := known[sense.Network].Value.(string)
	d.cloud.SetHost(state, now.Add(known[sense.Network].Left(now)))
	metered := known[sense.Metered]
	is, ok := metered.Value.(bool)
	switch {
	case metered.Host():
		d.cloud.SetHostMetered(is, now.Add(metered.Left(now)))
	case ok:
		d.cloud.SetHostMetered(false, time.Time{})
		d.cloud.SetLinkMetered(&is)
	default:
		d.cloud.SetHostMetered(false, time.Time{})
		d.cloud.SetLinkMetered(nil)
	}
	charging, ok := known[sense.Charging].Value.(bool)
	d.cloud.SetBattery(ok && !charging)
}

// sample senses the device until ctx ends.
func (d *daemon) sample(ctx context.Context, cfg *config.Config) error {
	return sense.New(sense.Options{Disk: cfg.State, Told: func(r sense.Readings) {
		d.senses.latest.Sensed(r)
		d.changed()
	}}).Run(ctx)
}

// Push takes what the host app says of the device.
func (d *daemon) Push(values map[string]signals.Pushed) {
	said := map[string]sense.Pushed{}
	for name, p := range values {
		said[name] = sense.Pushed{Value: p.Value, TTL: p.TTL}
	}
	d.senses.latest.Push(said, time.Now())
	d.changed()
}

// Signals are what is known of the device, for those who look.
func (d *daemon) Signals() map[string]status.Signal {
	now := time.Now()
	docs := map[string]status.Signal{sense.NetworkKind: {}}
	for _, name := range policy.SignalNames() {
		docs[name] = status.Signal{Unit: sense.Unit(name)}
	}
	way := d.cloud.Network()
	docs[sense.Network] = status.Signal{Value: way.State, AgeS: seconds(now.Sub(way.Since)), Source: &way.Source}
	if way.Metered != nil {
		docs[sense.Metered] = status.Signal{Value: *way.Metered, AgeS: seconds(now.Sub(way.Since)), Source: &way.Source}
	}
	known, _ := d.senses.latest.At(now)
	for name, r := range known {
		doc := status.Signal{Value: r.Value, Unit: sense.Unit(name), AgeS: seconds(r.Age(now)), Source: &r.Source}
		if r.Host() {
			doc.TTLS = seconds(r.Left(now) + time.Second - 1)
		}
		docs[name] = doc
	}
	return docs
}

// held are the rules with an until that are in force.
func (d *daemon) held() []string {
	return append([]string{}, d.situation(time.Now()).signals.Held...)
}

func seconds(d time.Duration) *int64 {
	s := int64(math.Floor(d.Seconds()))
	return &s
}
