package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"nearside/agent/config"
	"nearside/agent/server"
	"nearside/local"
	"nearside/store"
)

// lateStore is the store for those who may come before it is open. Reads wait
// for it a moment; what is to be kept before that is dropped and counted.
type lateStore struct {
	open    chan struct{} // closed when store is set
	store   atomic.Pointer[store.Store]
	fault   atomic.Pointer[string] // why it is in memory only
	dropped atomic.Int64
}

func newLateStore() *lateStore { return &lateStore{open: make(chan struct{})} }

// openWait is how long a read waits for the store at the start.
const openWait = time.Second

// run opens the store and keeps it until ctx ends. A folder that cannot be
// written costs what is remembered, not the answers.
func (l *lateStore) run(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	o := store.Options{
		Dir: cfg.State, CacheMaxBytes: int64(cfg.Cache.MaxBytes), CacheKeep: cfg.Cache.Stale, Log: log,
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
	l.store.Store(s)
	close(l.open)
	return errors.Join(s.Run(ctx), s.Close())
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

// Put makes it an agent's cache.
func (l *lateStore) Put(key string, value []byte, at time.Time) {
	if s := l.store.Load(); s != nil {
		s.Put(key, value, at)
		return
	}
	l.dropped.Add(1)
}

// Record makes it an agent's recorder.
func (l *lateStore) Record(id string, at time.Time, record []byte) {
	if s := l.store.Load(); s != nil {
		s.Record(id, at, record)
		return
	}
	l.dropped.Add(1)
}

// ledger is where checksums are held; it waits for the store.
func (l *lateStore) ledger() local.Ledger {
	if s := l.wait(context.Background()); s != nil {
		return s
	}
	return nil
}

func (d *daemonParts) history() server.History {
	if s := d.store.store.Load(); s != nil {
		return s
	}
	return nil
}
