package pull

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The periods that may be asked for.
const (
	LeastEvery = 10 * time.Second
	MostEvery  = 7 * 24 * time.Hour
)

const offlineLook = 5 * time.Minute // a network that nobody told of is seen at the latest then

// Source is where envelopes are asked for: [HTTPS], or a fake of it.
type Source interface {
	// Get asks once. The tag is that of the last good answer, "" when there is none.
	// An error may be a [*Busy].
	Get(ctx context.Context, etag string) (*Answer, error)
}

// Answer is what a source said.
type Answer struct {
	Body []byte    // nil when it is as it was
	ETag string    // "" when there is none
	Date time.Time // the server's clock; zero when it did not say
}

// Busy is a source that does not want to be asked again soon.
type Busy struct {
	Err   error
	After time.Duration
}

func (b *Busy) Error() string { return b.Err.Error() }
func (b *Busy) Unwrap() error { return b.Err }

// Options are what a puller is made of.
type Options struct {
	Source Source
	Every  time.Duration // between two requests, give or take a fifth; see [LeastEvery] and [MostEvery]
	// Offer hands an envelope on, from the goroutine of Run. It tells whether that is
	// the last word on it: what is not settled, such as one that is not yet valid, is
	// offered again.
	Offer   func(ctx context.Context, envelope []byte) (settled bool)
	Online  func() bool     // false: there is known to be no network, and nothing is sent; nil is always online
	Metered func() bool     // bytes cost money; nil is never
	Date    func(time.Time) // the clock of a server that proved who it is; nil is not told
	Random  func() float64  // 0 to 1; nil is math/rand
	Log     *slog.Logger    // nil is none
}

// Puller asks its source from time to time. Its methods may be called from any
// goroutine.
type Puller struct {
	Options
	woken chan struct{} // room for one
	asked atomic.Bool   // somebody wants a request now
	anew  atomic.Bool   // what is settled may be settled otherwise now

	mu     sync.Mutex // guards status
	status Status

	// of the goroutine of Run
	plan schedule
	etag string
	seen map[[sha256.Size]byte]bool // the envelopes of the last answer that are settled
}

// Status is how pulling goes. Times are zero when there is none.
type Status struct {
	At     time.Time `json:"at,omitzero"`   // the last request
	OK     time.Time `json:"ok,omitzero"`   // the last one that was answered well
	Next   time.Time `json:"next,omitzero"` // the next one; zero while there is no network
	Fault  string    `json:"fault,omitempty"`
	Offers int64     `json:"offers"` // envelopes handed on
}

// New is a puller; Run runs it.
func New(o Options) (*Puller, error) {
	if o.Every < LeastEvery || o.Every > MostEvery {
		return nil, fmt.Errorf("every is %s: it must be from %s to %s", o.Every, LeastEvery, MostEvery)
	}
	if o.Online == nil {
		o.Online = func() bool { return true }
	}
	if o.Metered == nil {
		o.Metered = func() bool { return false }
	}
	if o.Date == nil {
		o.Date = func(time.Time) {}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Puller{Options: o, woken: make(chan struct{}, 1), plan: schedule{every: o.Every}}, nil
}

// Wake has Run look at the network again. It never waits.
func (p *Puller) Wake() {
	select {
	case p.woken <- struct{}{}:
	default: // it will
	}
}

// Refresh has Run ask now, unless there is no network or the server asked to be
// left alone. It does not wait for the answer.
func (p *Puller) Refresh() {
	p.asked.Store(true)
	p.Wake()
}

// Anew has the next answer be handed on whole, as if it were the first: who takes
// it is another than it was, such as by a reload of its config.
func (p *Puller) Anew() { p.anew.Store(true) }

// Status is how it goes.
func (p *Puller) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Run asks until ctx ends. It is to be called once.
func (p *Puller) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.woken:
		case <-timer.C:
		}
		now := time.Now()
		p.plan.look(now, p.Online(), p.Random())
		if p.asked.Swap(false) {
			p.plan.hurry(now)
		}
		if p.plan.ready(now) {
			p.pull(ctx)
		}
		timer.Reset(p.wait(time.Now()))
	}
}

// wait is how long until the next look, and tells the status of it.
func (p *Puller) wait(now time.Time) time.Duration {
	if !p.plan.online {
		p.note(func(s *Status) { s.Next = time.Time{} })
		return offlineLook
	}
	p.note(func(s *Status) { s.Next = p.plan.due })
	return p.plan.due.Sub(now)
}

func (p *Puller) note(change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.status)
}

// pull asks once and plans the next time.
func (p *Puller) pull(ctx context.Context) {
	p.note(func(s *Status) { s.At = time.Now() })
	err := p.ask(ctx)
	now := time.Now()
	if err == nil {
		p.plan.answered(now, p.Metered(), p.Random())
		p.note(func(s *Status) { s.OK, s.Fault = now, "" })
		return
	}
	if ctx.Err() != nil {
		return
	}
	var busy *Busy
	after := time.Duration(0)
	if errors.As(err, &busy) {
		after = busy.After
	}
	p.plan.failed(now, after, p.Metered(), p.Random())
	p.note(func(s *Status) { s.Fault = err.Error() })
	p.Log.Info("no envelopes pulled", "err", err, "again", p.plan.due.Sub(now).Round(time.Second))
}

// ask asks once and hands on what is new. An answer that cannot be read is not
// one that is remembered, since another might have the same tag.
func (p *Puller) ask(ctx context.Context) error {
	if p.anew.Swap(false) {
		p.etag, p.seen = "", nil
	}
	a, err := p.Source.Get(ctx, p.etag)
	if err != nil {
		return err
	}
	if !a.Date.IsZero() {
		p.Date(a.Date)
	}
	if a.Body == nil {
		return nil
	}
	p.etag = ""
	envelopes, err := split(a.Body)
	if err != nil {
		return err
	}
	if p.offer(ctx, envelopes) {
		p.etag = a.ETag
	}
	return nil
}

// offer hands on the envelopes that were not settled before, and tells whether
// all are now.
func (p *Puller) offer(ctx context.Context, envelopes [][]byte) bool {
	seen, all := map[[sha256.Size]byte]bool{}, true
	for _, e := range envelopes {
		if ctx.Err() != nil {
			return false
		}
		sum := sha256.Sum256(e)
		if !p.seen[sum] {
			p.note(func(s *Status) { s.Offers++ })
			if !p.Offer(ctx, e) {
				all = false
				continue
			}
		}
		seen[sum] = true
	}
	p.seen = seen
	return all
}
