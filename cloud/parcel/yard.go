package parcel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	firstRetry  = 10 * time.Second
	mostRetry   = time.Hour
	look        = 5 * time.Minute // a network that nobody told of is seen at the latest then
	partKept    = 7 * 24 * time.Hour
	partSuffix  = ".part"
	meteredMost = 256 << 10
	spare       = 16 << 20 // bytes of the disk that stay free
)

// Options are what a yard is made of.
type Options struct {
	Dir     string                // made when it is not there, 0700
	Via     http.RoundTripper     // by which files are fetched; it makes one round trip and follows no redirect
	Got     func(File)            // told, from the goroutine of Run, of each file that has come; nil is not told
	Online  func() bool           // false: there is known to be no network, and nothing is sent; nil is always online
	Metered func() bool           // bytes cost money; nil is never
	Free    func() (int64, error) // bytes free on the disk; nil is not known
	Random  func() float64        // 0 to 1; nil is math/rand
	Log     *slog.Logger          // nil is none
}

// Yard is a folder of files, and who fetches them, one at a time. Its methods
// may be called from any goroutine.
type Yard struct {
	Options
	root  *os.Root
	woken chan struct{} // room for one
	disk  sync.Mutex    // held while a file takes its place or loses it

	mu     sync.Mutex // guards wishes and trials
	wishes map[string][]Wish
	trials map[string]*trial // by digest, of files that are not here
}

// trial is how fetching a file goes.
type trial struct {
	failures int
	next     time.Time
	fault    string
}

// Status is a file that is wanted and not here yet.
type Status struct {
	Name  string    `json:"name"`
	Bytes int64     `json:"bytes"`
	Have  int64     `json:"have"`
	Why   string    `json:"why,omitempty"` // why not
	Next  time.Time `json:"next,omitzero"` // when it is tried again
}

// Open makes a yard of a folder; Run runs it. Files that were there are not
// removed before Run has begun: whoever names them has until then.
func Open(o Options) (*Yard, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of files from outside: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of files from outside: %w", err)
	}
	if o.Online == nil {
		o.Online = func() bool { return true }
	}
	if o.Metered == nil {
		o.Metered = func() bool { return false }
	}
	if o.Got == nil {
		o.Got = func(File) {}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Yard{Options: o, root: root, woken: make(chan struct{}, 1), wishes: map[string][]Wish{}, trials: map[string]*trial{}}, nil
}

// Want says which files somebody wants, in the place of what they wanted before.
// Those that are not here are fetched, and those that nobody wants any more are
// removed. All must pass [File.Check].
func (y *Yard) Want(who string, wishes ...Wish) {
	y.mu.Lock()
	y.wishes[who] = slices.Clone(wishes)
	y.mu.Unlock()
	y.Wake()
}

// Has tells whether a file has come.
func (y *Yard) Has(f File) bool { return y.size(f.SHA256) == f.Bytes }

// Wake has Run look at the network and the wishes again. It never waits.
func (y *Yard) Wake() {
	select {
	case y.woken <- struct{}{}:
	default: // it will
	}
}

// Status lists what is not here yet.
func (y *Yard) Status() []Status {
	y.mu.Lock()
	defer y.mu.Unlock()
	list := []Status{}
	for _, w := range y.missing() {
		s := Status{Name: w.Name, Bytes: w.Bytes, Have: y.have(w.File)}
		if t := y.trials[w.SHA256]; t != nil {
			s.Why, s.Next = t.fault, t.next
		}
		list = append(list, s)
	}
	return list
}

// missing are the wishes that are not here, each file once, in the order of
// those who want them. y.mu is held.
func (y *Yard) missing() []Wish {
	var all []Wish
	for _, w := range y.wanted() {
		if !slices.ContainsFunc(all, func(o Wish) bool { return o.SHA256 == w.SHA256 }) && y.size(w.SHA256) != w.Bytes {
			all = append(all, w)
		}
	}
	return all
}

// wanted are all wishes. y.mu is held.
func (y *Yard) wanted() []Wish {
	var all []Wish
	for _, who := range sortedKeys(y.wishes) {
		all = append(all, y.wishes[who]...)
	}
	return all
}

// Run fetches what is wanted until ctx ends. It is to be called once.
func (y *Yard) Run(ctx context.Context) error {
	defer y.root.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-y.woken:
		case <-timer.C:
		}
		y.tidy(time.Now())
		wish, wait := y.next(time.Now())
		if wish != nil {
			y.try(ctx, wish)
			wait = 0
		}
		timer.Reset(wait)
	}
}

// next is the file to fetch now, nil when there is none, and how long until one
// might be.
func (y *Yard) next(now time.Time) (*Wish, time.Duration) {
	is := y.conditions() // before the lock: who knows them may ask for the status
	y.mu.Lock()
	defer y.mu.Unlock()
	wait := look
	for _, w := range y.missing() {
		t := y.trial(w.SHA256)
		switch why := is.hinder(w, y.have(w.File)); {
		case why != "":
			t.fault = why
		case now.Before(t.next):
			wait = min(wait, t.next.Sub(now))
		default:
			return &w, 0
		}
	}
	return nil, wait
}

// conditions are what lets files be fetched, or not.
type conditions struct {
	online, metered bool
	free            int64 // bytes; as many as there can be where it is not known
}

func (y *Yard) conditions() conditions {
	c := conditions{online: y.Online(), metered: y.Metered(), free: math.MaxInt64}
	if y.Free == nil {
		return c
	}
	if free, err := y.Free(); err == nil {
		c.free = free
	}
	return c
}

// hinder says why a file cannot be fetched now of which so much has come, "" when
// it can.
func (c conditions) hinder(w Wish, have int64) string {
	need := w.Bytes - have + spare
	switch {
	case !c.online:
		return "the network is offline"
	case w.Bytes > meteredMost && !w.Dear && c.metered:
		return "it waits for a network where bytes cost nothing; the document may say metered: allow"
	case c.free < need:
		return fmt.Sprintf("the disk has %d bytes free, and %d are needed", c.free, need)
	}
	return ""
}

// trial is how fetching that file goes. y.mu is held.
func (y *Yard) trial(digest string) *trial {
	t := y.trials[digest]
	if t == nil {
		t = &trial{}
		y.trials[digest] = t
	}
	return t
}

// try fetches a file once.
func (y *Yard) try(ctx context.Context, w *Wish) {
	err := y.fetch(ctx, w.File)
	if ctx.Err() != nil {
		return
	}
	y.noteTrial(w.SHA256, err)
	if err != nil {
		y.Log.Warn("a file from outside has not come", "file", w.Name, "err", err)
		return
	}
	y.Log.Info("a file from outside has come", "file", w.Name, "bytes", w.Bytes)
	y.Got(w.File)
}

func (y *Yard) noteTrial(digest string, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err == nil {
		delete(y.trials, digest)
		return
	}
	t := y.trial(digest)
	bound := min(mostRetry, firstRetry<<min(t.failures, 20))
	var busy *busy
	wait := max(time.Second, time.Duration(y.Random()*float64(bound)))
	if errors.As(err, &busy) {
		wait = max(wait, busy.after)
	}
	t.failures++
	t.fault, t.next = err.Error(), time.Now().Add(wait)
}

// tidy removes what nobody wants. A part is kept for a week, since the document
// that wants it may come again.
func (y *Yard) tidy(now time.Time) {
	y.mu.Lock()
	defer y.mu.Unlock()
	keep := map[string]bool{}
	for _, w := range y.wanted() {
		keep[w.SHA256] = true
	}
	for digest := range y.trials {
		if !keep[digest] {
			delete(y.trials, digest)
		}
	}
	for _, e := range y.entries() {
		digest, part := strings.CutSuffix(e.Name(), partSuffix)
		info, err := e.Info()
		fresh := part && err == nil && now.Sub(info.ModTime()).Abs() < partKept
		if !keep[digest] && !fresh {
			_ = y.root.RemoveAll(e.Name()) // what cannot be removed now is tried again
		}
	}
}
