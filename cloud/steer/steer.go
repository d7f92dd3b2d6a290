package steer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// ErrStopped is what comes of an offer when the process ends before it is done.
var ErrStopped = errors.New("the daemon is stopping")

// Steer answers for what is in force on a device. See the package.
type Steer struct {
	o       Options
	offers  chan *offer
	orders  chan *order
	ended   chan func()   // work that was done aside, to be taken note of
	wake    chan struct{} // look again
	second  chan copied   // the other copy of the record
	stopped chan struct{}
	status  atomic.Pointer[news.Status]
	other   atomic.Bool // the device is another than it was when things were refused

	// What follows belongs to one goroutine: New, Begin and Run, in turn.
	rec      trial.Record
	root     *seal.Root
	base     string // digest of the configured root
	loaded   int64  // Seq of the record at boot
	damaged  string // why the record at boot could not be read
	begun    bool
	booting  bool         // no document of another kind is in force that was put there before
	settled  bool         // the other copy was looked at
	asking   bool         // it is being read: a save would put what may be older in its place
	unbooted bool         // this boot is not saved: nothing is tried until it is
	counting <-chan error // tells when this boot is saved; nil when that is known
	own      string       // why the device's own policy is in force, whatever the record says
	raised   time.Time
	saves    int64
	savedAt  time.Time
	unsaved  string
	ticked   time.Time     // when last done what time alone asks for
	dirty    time.Time     // since when something is to be saved that nobody waits for
	gap      time.Duration // between saves of refusals
	expired  bool
	evidence []string
	current  *offer // being validated
	checking bool
	said     []func() // answers to be given once the status says the same
	stopping bool
	work     sync.WaitGroup
	obeying  map[string][]*order
	again    []*offer  // to be looked at again
	waiting  []*offer  // envelopes whose time or root may come
	asked    time.Time // when they were last looked at
	known    map[[sha256.Size]byte]seal.Refusal
	pace     trial.Pace
	probe    trial.Probe
	usual    trial.Usual
}

type copied struct {
	record []byte
	err    error
}

// New reads the record: what is in force is known when it returns, see
// [Steer.Status], and put in force by [Steer.Begin].
func New(o Options) (*Steer, error) {
	root, err := seal.ParseRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("read the root that is trusted: %w", err)
	}
	if root.Tenant != "" && root.Tenant != o.Device.Tenant {
		return nil, fmt.Errorf("the root is for tenant %q, this device is of %q", root.Tenant, o.Device.Tenant)
	}
	s := &Steer{
		o: o, root: root, base: seal.Digest(o.Root), raised: time.Now(), savedAt: time.Now(), asked: time.Now(), ticked: time.Now(),
		offers: make(chan *offer, maxQueue), orders: make(chan *order, maxQueue), ended: make(chan func(), maxObeying+1),
		wake: make(chan struct{}, 1), second: make(chan copied, 1), stopped: make(chan struct{}),
	}
	s.load()
	s.publish()
	return s, nil
}

// Status is how things are. Any goroutine may ask.
func (s *Steer) Status() news.Status { return *s.status.Load() }

// Wake has what waits for its time looked at again, such as when the clock
// became known.
func (s *Steer) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to look
	}
}

// Anew has what was refused be judged again when it comes again: the device is
// another than it was, such as by a reload of its config.
func (s *Steer) Anew() { s.other.Store(true) }

// Begin counts the boot and puts in force what is to be. It is called once,
// before the first ask; Run does it where nobody did.
func (s *Steer) Begin(ctx context.Context) {
	s.begun = true
	s.boot(ctx)
	s.publish()
}

// Run owns the record until ctx ends. It is called once.
func (s *Steer) Run(ctx context.Context) error {
	defer close(s.stopped)
	if !s.begun {
		s.Begin(ctx)
	}
	if s.counting != nil {
		s.counted()
		s.drive(ctx)
		s.publish()
	}
	s.asking = true
	s.aside(func() func() {
		b, err := s.o.Keeper.Second(ctx)
		return func() { s.settle(ctx, copied{b, err}) }
	})
	s.usual.Begin(s.o.Subject.Figures())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		s.turn(ctx, timer)
		s.drive(ctx)
		s.age()
		s.answer()
	}
	s.stop()
	return nil
}

// answer tells those who wait, after the status says the same.
func (s *Steer) answer() {
	s.publish()
	for _, say := range s.said {
		say()
	}
	s.said = nil
}

// turn waits for one thing to happen and does what it asks for.
func (s *Steer) turn(ctx context.Context, timer *time.Timer) {
	offers, orders := s.offers, s.orders
	if !s.settled {
		offers, orders = nil, nil
	}
	if s.checking {
		offers = nil
	}
	if offers != nil && len(s.again) > 0 {
		q := s.again[0]
		s.again = s.again[1:]
		s.take(ctx, q)
		return
	}
	due := s.next()
	if due <= 0 { // before all that comes, or a flood of it would stop the clock
		s.tick(ctx)
		return
	}
	timer.Reset(due)
	select {
	case <-ctx.Done():
	case q := <-offers:
		s.take(ctx, q)
	case q := <-orders:
		s.obey(ctx, q)
	case note := <-s.ended:
		note()
	case <-s.wake:
		s.askWaiting()
	case <-timer.C:
	}
}

// next is how long nothing is to be done if nothing happens.
func (s *Steer) next() time.Duration {
	d := idleEvery
	if s.rec.Todo() == trial.Observe {
		d = lookEvery
		if s.probe.Idle() {
			d = lookSeldom
		}
	}
	d -= time.Since(s.ticked)
	if len(s.waiting) > 0 {
		d = min(d, askAgain-time.Since(s.asked))
	}
	if !s.dirty.IsZero() {
		d = min(d, s.gap-time.Since(s.dirty))
	}
	return d
}

// tick does what time alone asks for.
func (s *Steer) tick(ctx context.Context) {
	s.ticked = time.Now()
	if len(s.waiting) > 0 && time.Since(s.asked) >= askAgain {
		s.askWaiting()
	}
	if s.rec.Todo() == trial.Observe {
		s.look(ctx)
	}
	if !s.dirty.IsZero() && time.Since(s.dirty) >= s.gap || time.Since(s.savedAt) >= sureSave {
		s.saveLate()
	}
	s.usual.Turn(s.o.Subject.Figures())
}

// aside does something slow on a goroutine of its own; what it returns is then
// done by the owner of the record.
func (s *Steer) aside(f func() func()) {
	if s.stopping {
		return
	}
	s.work.Go(func() { s.ended <- f() })
}

// stop waits for what was begun and tells the record that the end was orderly.
func (s *Steer) stop() {
	s.stopping = true
	idle := make(chan struct{})
	go func() {
		s.work.Wait()
		close(idle)
	}()
	for ended := false; !ended; {
		select {
		case note := <-s.ended:
			note()
		case <-idle:
			ended = len(s.ended) == 0
		}
	}
	if s.rec.Trial != nil || s.rec.Next != nil || !s.dirty.IsZero() {
		s.keepWatched()
		_ = s.save(s.rec.Stopped()) // else the boot counts as one after a crash
	}
	s.answer()
}
