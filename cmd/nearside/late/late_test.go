package late_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/cmd/nearside/late"
	"nearside/store"
)

// TestEarly: what comes before the store is open is kept once it is, as far as
// there is room for it; what there is none for is counted.
func TestEarly(t *testing.T) {
	l, now := late.New(), time.Now()
	for i := range 300 {
		l.Put(fmt.Sprint("key ", i), []byte("answer"), now)
	}
	if l.Now() != nil || l.Lost() != 44 {
		t.Errorf("before it is open: %v, %d lost, want none and 44", l.Now(), l.Lost())
	}
	stop := run(t, l, t.TempDir(), "")
	defer stop()
	for key, want := range map[string]bool{"key 0": true, "key 255": true, "key 256": false} {
		if _, _, ok, err := l.Get(t.Context(), key); ok != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", key, ok, err, want)
		}
	}
	if l.Ledger() == nil || l.Fault() != "" {
		t.Errorf("no ledger, or a fault: %q", l.Fault())
	}
}

// TestNoFolder: without a folder the store is in memory, says why, and works.
func TestNoFolder(t *testing.T) {
	l := late.New()
	stop := run(t, l, "/dev/null/state", "")
	defer stop()
	l.Put("key", []byte("answer"), time.Now())
	if value, _, ok, err := l.Get(t.Context(), "key"); string(value) != "answer" || !ok || err != nil {
		t.Errorf("got %q, %v, %v", value, ok, err)
	}
	if !strings.Contains(l.Fault(), "/dev/null") {
		t.Errorf("the fault is %q", l.Fault())
	}
}

// TestTaken: two daemons cannot have one folder.
func TestTaken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	stop := run(t, late.New(), dir, "")
	defer stop()
	run(t, late.New(), dir, "another daemon uses the state folder "+dir)()
}

// run keeps the store open until stop, which wants this error of it.
func run(t *testing.T, l *late.Store, dir, fault string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Run(ctx, store.Options{Dir: dir, CacheMaxBytes: 1 << 20, CacheKeep: time.Hour, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	}()
	for fault == "" && l.Now() == nil && t.Context().Err() == nil {
		l.Wait(ctx)
	}
	return func() {
		if fault == "" {
			cancel()
		}
		err := <-ended
		cancel()
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.HasPrefix(err.Error(), fault)) {
			t.Errorf("got %v, want %q", err, fault)
		}
	}
}
