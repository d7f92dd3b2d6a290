package feed

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// Why there is no place for a listener.
var (
	ErrFull   = errors.New("too many listen already")
	ErrClosed = errors.New("the feed has ended")
)

// Entry is one thing that happened. Its data is JSON on one line and must not
// be changed.
type Entry struct {
	ID   uint64 // grows, over restarts too while the clock does not go back
	Kind string
	Data []byte
}

// Options bound a feed. Each 0 is its default.
type Options struct {
	Entries   int           // kept for those who come later; 256
	Bytes     int           // of the data of entries kept; 256 KiB
	Listeners int           // at once; 16
	Behind    int           // entries that a listener may be behind; 64
	Heartbeat time.Duration // between comments while nothing happens; 15 s
}

// Stats are counted from the start.
type Stats struct {
	Listeners int
	Slow      uint64 // listeners let go since they did not keep up
	Full      uint64 // listeners for whom there was no place
}

// Feed is made by New. Its methods may be called from any goroutine.
type Feed struct {
	opts Options

	mu        sync.Mutex // guards all below
	kept      []Entry    // oldest first
	bytes     int        // of their data
	last      uint64     // id
	listeners map[*listener]bool
	stats     Stats
	closed    bool
}

// listener is one reader. Its channel is closed when it is let go.
type listener struct {
	news chan Entry
	want func(Entry) bool
}

// New makes a feed. Ids begin with the time.
func New(o Options) *Feed {
	for _, d := range []struct{ v, fallback *int }{
		{&o.Entries, new(256)}, {&o.Bytes, new(256 << 10)}, {&o.Listeners, new(16)}, {&o.Behind, new(64)},
	} {
		if *d.v == 0 {
			*d.v = *d.fallback
		}
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	return &Feed{opts: o, last: uint64(time.Now().UnixMilli()), listeners: map[*listener]bool{}}
}

// Publish keeps an entry and tells it to those who listen. It never waits.
func (f *Feed) Publish(kind string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	e := Entry{f.last, kind, data}
	f.keep(e)
	for l := range f.listeners {
		if !l.want(e) {
			continue
		}
		select {
		case l.news <- e:
		default:
			f.stats.Slow++
			f.release(l)
		}
	}
}

// keep is called with mu held.
func (f *Feed) keep(e Entry) {
	f.kept = append(f.kept, e)
	f.bytes += len(e.Data)
	n := 0
	for len(f.kept)-n > f.opts.Entries || f.bytes > f.opts.Bytes {
		f.bytes -= len(f.kept[n].Data)
		f.kept[n] = Entry{}
		n++
	}
	f.kept = f.kept[n:]
}

// Latest are the entries kept, oldest first.
func (f *Feed) Latest() []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kept)
}

// Stats may be called at any time.
func (f *Feed) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Listeners = len(f.listeners)
	return s
}

// Close lets all listeners go and takes no more.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for l := range f.listeners {
		f.release(l)
	}
}

// release is called with mu held.
func (f *Feed) release(l *listener) {
	if f.listeners[l] {
		delete(f.listeners, l)
		close(l.news)
	}
}

// listen adds a listener and gives what was kept after the entry it knows
// last. missed tells that there was more than that, or may have been.
func (f *Feed) listen(after uint64, want func(Entry) bool) (l *listener, old []Entry, missed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, false, ErrClosed
	}
	if len(f.listeners) >= f.opts.Listeners {
		f.stats.Full++
		return nil, nil, false, ErrFull
	}
	l = &listener{make(chan Entry, f.opts.Behind), want}
	f.listeners[l] = true
	if after > f.last {
		return l, slices.Clone(f.kept), true, nil // from a life when the clock was ahead
	}
	i := slices.IndexFunc(f.kept, func(e Entry) bool { return e.ID > after })
	if i < 0 {
		return l, nil, after < f.last, nil
	}
	return l, slices.Clone(f.kept[i:]), f.kept[i].ID > after+1, nil
}

func (f *Feed) leave(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.release(l)
}
