package parcel

import (
	"fmt"
	"log/slog"
	"maps"
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
	mostAltered = 24 * time.Hour  // of an address that has other bytes: each look costs all of them
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
	out   *errand       // under way, nil for none; of the goroutine of Run

	mu     sync.Mutex // guards wishes and trials
	wishes map[string][]Wish
	trials map[File]*trial // by [File.source], of files that are not here
}

// trial is how fetching a file from an address goes.
type trial struct {
	failures int
	next     time.Time
	fault    string
	lost     bool // for want of a network, as it seems
	rotten   int  // how often it came, and was another when it was read
}

// Status is a file that is wanted and not here yet.
type Status struct {
	Name  string    `json:"name"`
	Bytes int64     `json:"bytes"`
	Have  int64     `json:"have"`
	Why   string    `json:"why,omitempty"` // why not; absent while it is being fetched
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
	return &Yard{Options: o, root: root, woken: make(chan struct{}, 1), wishes: map[string][]Wish{}, trials: map[File]*trial{}}, nil
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
		if t := y.trials[w.source()]; t != nil {
			s.Why, s.Next = t.fault, t.next
		}
		list = append(list, s)
	}
	return list
}

// missing are the wishes that are not here, each address of a file once, in the
// order of those who want them: where one has it not, another may. y.mu is held.
func (y *Yard) missing() []Wish {
	var all []Wish
	for _, w := range y.wanted() {
		if w.Kept || y.size(w.SHA256) == w.Bytes {
			continue
		}
		if i := slices.IndexFunc(all, func(o Wish) bool { return o.source() == w.source() }); i < 0 {
			all = append(all, w)
		} else {
			all[i].Dear = all[i].Dear || w.Dear
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

// next is the file to fetch now, nil when there is none, and how long until one
// might be.
func (y *Yard) next(now time.Time, is conditions) (*Wish, time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	wait := look
	for _, w := range y.missing() {
		t := y.trial(w.File)
		switch why := is.hinder(w, y.have(w.File)); {
		case why != "":
			t.fault = why
		case now.Before(t.next):
			wait = min(wait, t.next.Sub(now))
		default:
			t.fault, t.next = "", time.Time{}
			return &w, look
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
	switch {
	case !c.online:
		return "the network is offline"
	case c.dear(w):
		return "it waits for a network where bytes cost nothing; the document may say metered: allow"
	case c.short(w, have):
		return fmt.Sprintf("the disk has %d bytes free, and %d are needed", c.free, w.Bytes-have+spare)
	}
	return ""
}

// dear tells whether a file is to wait until bytes cost nothing.
func (c conditions) dear(w Wish) bool { return c.metered && w.Bytes > meteredMost && !w.Dear }

// short tells whether the disk has no room for the rest of a file.
func (c conditions) short(w Wish, have int64) bool { return c.free < w.Bytes-have+spare }

// trial is how fetching that file goes. y.mu is held.
func (y *Yard) trial(f File) *trial {
	t := y.trials[f.source()]
	if t == nil {
		t = &trial{}
		y.trials[f.source()] = t
	}
	return t
}

// tidy removes what nobody wants, and tells whether it removed something. A part
// is kept for a week, since the document that wants it may come again, unless
// others need the room.
func (y *Yard) tidy(now time.Time, is conditions) (removed bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	keep, from := map[string]bool{}, map[File]bool{}
	for _, w := range y.wanted() {
		keep[w.SHA256], from[w.source()] = true, true
	}
	maps.DeleteFunc(y.trials, func(f File, _ *trial) bool { return !from[f] })
	short := slices.ContainsFunc(y.missing(), func(w Wish) bool { return is.short(w, y.have(w.File)) })
	for _, e := range y.entries() {
		digest, part := strings.CutSuffix(e.Name(), partSuffix)
		info, err := e.Info()
		fresh := part && !short && err == nil && now.Sub(info.ModTime()).Abs() < partKept
		if !keep[digest] && !fresh {
			removed = y.root.RemoveAll(e.Name()) == nil || removed // what cannot be removed now is tried again
		}
	}
	return removed
}
