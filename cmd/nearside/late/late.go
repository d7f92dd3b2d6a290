// Package late is the store for those who may come before it is open: opening
// may take a while on a large or damaged file, and nobody waits for it who need
// not. Where the folder cannot be used it is a store in memory.
package late

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nearside/local/weights"
	"nearside/store"
)

// Store is a store that may not be open yet. Reads wait for it a moment; a few
// things that are to be kept wait for it here. Any goroutine may use it.
type Store struct {
	open  chan struct{} // closed when store is set
	store atomic.Pointer[store.Store]
	fault atomic.Pointer[string] // why it is in memory only

	mu      sync.Mutex // guards all below
	early   []func(*store.Store)
	dropped uint64
}

// New is a store that is not open; see [Store.Run].
func New() *Store { return &Store{open: make(chan struct{})} }

const (
	openWait = time.Second // how long a read waits for the store at the start
	maxEarly = 256         // what comes before it is open; more is dropped and counted
)

// ExposedHint is what to do about a folder that is [store.Exposed].
const ExposedHint = "chown it to the daemon's user and chmod it to 0700, or choose another with --state DIR"

// Run opens the store and keeps it until ctx ends; a CacheKeep of 0 keeps no
// answers. A folder that cannot be written costs what is remembered, not the
// answers; one that another daemon uses is an error.
func (l *Store) Run(ctx context.Context, o store.Options) error {
	log := o.Log
	o.CacheKeep = storeKeep(o.CacheKeep)
	if why := store.Exposed(o.Dir); why != "" {
		log.Warn(why, "hint", ExposedHint)
	}
	s, err := store.Open(ctx, o)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("another daemon uses the state folder %s; stop it, or choose another with --state DIR", o.Dir)
	}
	if err != nil && ctx.Err() != nil {
		return nil // the daemon ended before it was open
	}
	if err != nil {
		why := err.Error()
		l.fault.Store(&why)
		log.Error("nothing will be remembered: the state folder cannot be used; correct it, or choose another with --state DIR", "err", err)
		if s, err = store.OpenMemory(o); err != nil {
			return err
		}
	}
	l.opened(s)
	return errors.Join(s.Run(ctx), s.Close())
}

// storeKeep is how long the store keeps answers; for it 0 is its default.
func storeKeep(stale time.Duration) time.Duration {
	if stale == 0 {
		return -1
	}
	return stale
}

// KeepAnswers changes how long answers are kept; 0 is not at all.
func (l *Store) KeepAnswers(stale time.Duration) {
	l.keep(func(s *store.Store) { s.KeepAnswers(storeKeep(stale)) })
}

// Wait is the store once it is open, nil when that takes more than a second.
func (l *Store) Wait(ctx context.Context) *store.Store {
	if s := l.store.Load(); s != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	select {
	case <-l.open:
	case <-ctx.Done():
	}
	return l.store.Load()
}

// Now is the store if it is open, else nil.
func (l *Store) Now() *store.Store { return l.store.Load() }

// Fault is why the store is in memory only, "" when it is not or not open.
func (l *Store) Fault() string {
	if why := l.fault.Load(); why != nil {
		return *why
	}
	return ""
}

// Get makes it an agent's cache.
func (l *Store) Get(ctx context.Context, key string) ([]byte, time.Time, bool, error) {
	s := l.Wait(ctx)
	if s == nil {
		return nil, time.Time{}, false, nil
	}
	return s.Get(ctx, key)
}

// opened hands over what came early, and all that comes from here on.
func (l *Store) opened(s *store.Store) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, keep := range l.early {
		keep(s)
	}
	l.early = nil
	l.store.Store(s)
	close(l.open)
}

// keep has the store keep something, now or once it is open.
func (l *Store) keep(f func(*store.Store)) {
	if s := l.store.Load(); s != nil {
		f(s)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s := l.store.Load(); {
	case s != nil:
		f(s)
	case len(l.early) < maxEarly:
		l.early = append(l.early, f)
	default:
		l.dropped++
	}
}

// Put makes it an agent's cache.
func (l *Store) Put(key string, value []byte, at time.Time) {
	if s := l.store.Load(); s != nil {
		s.Put(key, value, at)
		return
	}
	l.keep(func(s *store.Store) { s.Put(key, value, at) })
}

// Record makes it an agent's recorder.
func (l *Store) Record(id string, at time.Time, record func([]byte) []byte) {
	if s := l.store.Load(); s != nil {
		s.Record(id, at, record)
		return
	}
	l.keep(func(s *store.Store) { s.Record(id, at, record) })
}

// Lost counts what could not wait for the store.
func (l *Store) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Ledger is where checksums are held, nil while there is none; it waits for the
// store.
func (l *Store) Ledger() weights.Ledger {
	if s := l.Wait(context.Background()); s != nil {
		return s
	}
	return nil
}

// Opened waits for the store as long as it takes; the error is that ctx ended.
func (l *Store) Opened(ctx context.Context) (*store.Store, error) {
	select {
	case <-l.open:
		return l.store.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
