package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/config"
	"nearside/agent/server"
	"nearside/local"
	"nearside/store"
)

// lateStore is the store for those who may come before it is open. Reads wait
// for it a moment; a few things that are to be kept wait for it here.
type lateStore struct {
	open  chan struct{} // closed when store is set
	store atomic.Pointer[store.Store]
	fault atomic.Pointer[string] // why it is in memory only

	mu      sync.Mutex // guards all below
	early   []func(*store.Store)
	dropped uint64
}

func newLateStore() *lateStore { return &lateStore{open: make(chan struct{})} }

const (
	openWait = time.Second // how long a read waits for the store at the start
	maxEarly = 256         // what comes before it is open; more is dropped and counted
)

// run opens the store and keeps it until ctx ends. A folder that cannot be
// written costs what is remembered, not the answers.
func (l *lateStore) run(ctx context.Context, cfg *config.Config, d Options) error {
	log := d.Log
	o := store.Options{
		Dir: cfg.State, CacheMaxBytes: int64(cfg.Cache.MaxBytes), CacheKeep: storeKeep(cfg.Cache.Stale), Log: log, Now: d.Now,
	}
	if why := store.Exposed(cfg.State); why != "" {
		log.Warn(why, "hint", exposedHint)
	}
	s, err := store.Open(ctx, o)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("another daemon uses the state folder %s; stop it, or choose another with --state DIR", cfg.State)
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

func (l *lateStore) keepAnswers(stale time.Duration) {
	l.keep(func(s *store.Store) { s.KeepAnswers(storeKeep(stale)) })
}

// wait is the store once it is open, nil when that takes too long.
func (l *lateStore) wait(ctx context.Context) *store.Store {
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

// Get makes it an agent's cache.
func (l *lateStore) Get(ctx context.Context, key string) ([]byte, time.Time, bool, error) {
	s := l.wait(ctx)
	if s == nil {
		return nil, time.Time{}, false, nil
	}
	return s.Get(ctx, key)
}

// opened hands over what came early, and all that comes from here on.
func (l *lateStore) opened(s *store.Store) {
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
func (l *lateStore) keep(f func(*store.Store)) {
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
func (l *lateStore) Put(key string, value []byte, at time.Time) {
	if s := l.store.Load(); s != nil {
		s.Put(key, value, at)
		return
	}
	l.keep(func(s *store.Store) { s.Put(key, value, at) })
}

// Record makes it an agent's recorder.
func (l *lateStore) Record(id string, at time.Time, record func() []byte) {
	if s := l.store.Load(); s != nil {
		s.Record(id, at, record)
		return
	}
	l.keep(func(s *store.Store) { s.Record(id, at, record) })
}

// lost counts what could not wait for the store.
func (l *lateStore) lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// ledger is where checksums are held; it waits for the store.
func (l *lateStore) ledger() local.Ledger {
	if s := l.wait(context.Background()); s != nil {
		return s
	}
	return nil
}

// history is where decisions are read back. It waits for the store, so that a
// daemon that has just started does not seem to have none.
func (d *daemon) history() server.History {
	if s := d.store.wait(context.Background()); s != nil {
		return s
	}
	return nil
}
