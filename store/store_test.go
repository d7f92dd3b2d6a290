package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/store"
	"nearside/store/file"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("STORE_TEST_WRITER"); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run starts the writer and returns what stops it and waits for it.
func run(t testing.TB, s *store.Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// write runs the writer for as long as it takes to write what is queued.
func write(t testing.TB, s *store.Store) { run(t, s)() }

// is makes a record that is there already.
func is(record []byte) func([]byte) []byte {
	return func(to []byte) []byte { return append(to, record...) }
}

func fact(t testing.TB, s *store.Store, name, want string) {
	t.Helper()
	got, ok, err := s.Fact(t.Context(), name)
	if err != nil || got != want || ok != (want != "") {
		t.Errorf("fact %s: got %q, %t, %v; want %q", name, got, ok, err, want)
	}
}

func setFact(t testing.TB, s *store.Store, name, value string) {
	t.Helper()
	if err := s.SetFact(t.Context(), name, value); err != nil {
		t.Fatal(err)
	}
}

func cached(t testing.TB, s *store.Store, key string) string {
	t.Helper()
	value, _, _, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func stores(t *testing.T, check func(*testing.T, *store.Store)) {
	t.Run("disk", func(t *testing.T) { check(t, open(t, store.Options{Dir: t.TempDir()})) })
	t.Run("memory", func(t *testing.T) {
		s, err := store.OpenMemory(store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		check(t, s)
	})
}

func TestRoundTrip(t *testing.T) {
	stores(t, func(t *testing.T, s *store.Store) {
		check := func() {
			value, at, ok, err := s.Get(t.Context(), "k")
			if string(value) != "second" || !at.Equal(noon) || !ok || err != nil {
				t.Errorf("got %q, %v, %t, %v", value, at, ok, err)
			}
			record, ok, err := s.Decision(t.Context(), "d")
			if string(record) != "{}" || !ok || err != nil {
				t.Errorf("got %q, %t, %v", record, ok, err)
			}
			if value, _, ok, err := s.Get(t.Context(), "empty"); len(value) != 0 || !ok || err != nil {
				t.Errorf("got %q, %t, %v", value, ok, err)
			}
			if _, _, ok, err := s.Get(t.Context(), "other"); ok || err != nil {
				t.Errorf("got %t, %v", ok, err)
			}
		}
		s.Put("k", []byte("first"), noon.Add(-time.Hour))
		s.Put("k", []byte("second"), noon)
		s.Put("empty", nil, noon)
		s.Record("d", noon, is([]byte("{}")))
		check() // from the queue
		write(t, s)
		check() // from the file
		fact(t, s, "floor", "")
		setFact(t, s, "floor", "7")
		setFact(t, s, "floor", "8")
		fact(t, s, "floor", "8")
		got := s.Stats()
		if got.Cache.Rows != 2 || got.Queue.Rows != 1 || got.Cache.Waiting != 0 || got.Cache.Bytes == 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestStateInStats(t *testing.T) {
	want := map[string]file.State{"TestStateInStats/disk": file.StateOK, "TestStateInStats/memory": file.StateMemory}
	stores(t, func(t *testing.T, s *store.Store) {
		if got := s.Stats(); got.Queue.State != want[t.Name()] || got.Cache.State != want[t.Name()] {
			t.Errorf("got %+v, want %s", got, want[t.Name()])
		}
	})
}

func TestLastsOverRestart(t *testing.T) {
	o := store.Options{Dir: filepath.Join(t.TempDir(), "with ?#% in it", "state")}
	s := open(t, o)
	s.Put("k", []byte("v"), noon)
	s.Record("d", noon, is([]byte("{}")))
	setFact(t, s, "floor", "7")
	o.Now = func() time.Time { return noon }
	write(t, s)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	write(t, s)
	fact(t, s, "floor", "7")
	if got := cached(t, s, "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	if got := s.Stats(); got.Cache.Rows != 1 || got.Queue.Rows != 1 || got.Queue.State != file.StateOK {
		t.Errorf("got %+v", got)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, store.Options{Dir: dir})
	setFact(t, s, "a", "b")
	write(t, s)
	want := map[string]os.FileMode{".": 0o700, "queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600,
		"cache.db": 0o600, "lock": 0o600, "reserve": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s: got %o, want %o", name, got, mode)
		}
	}
}

func TestDecisionsNewestFirst(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	list := func(limit int, before, want string) {
		t.Helper()
		records, err := s.Decisions(t.Context(), limit, before)
		if got := string(bytes.Join(records, []byte(" "))); got != want || err != nil {
			t.Errorf("limit %d before %q: got %q, %v; want %q", limit, before, got, err, want)
		}
	}
	record := func(ids ...string) {
		for _, id := range ids {
			s.Record(id, noon, is([]byte(strings.ToUpper(id))))
		}
	}
	record("a", "b", "c")
	list(10, "", "C B A")
	write(t, s)
	record("d", "e")
	for range 2 { // half in the file, then all of it
		list(10, "", "E D C B A")
		list(2, "", "E D")
		list(3, "e", "D C B")
		list(2, "d", "C B")
		list(2, "c", "B A")
		list(2, "a", "")
		list(2, "unknown", "")
		list(0, "", "E")
		write(t, s)
	}
	s.Record("b", noon, is([]byte("again")))
	list(3, "", "again E D")
	list(9, "d", "C A")
	write(t, s)
	list(9, "", "again E D C A")
}

func TestAllAtOnce(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), CacheMaxBytes: 1 << 20})
	run(t, s)
	var users sync.WaitGroup
	for u := range 4 {
		users.Go(func() {
			for i := range 150 {
				key := fmt.Sprint(u, "-", i)
				s.Put(key, []byte(key), time.Now())
				s.Record(key, time.Now(), is([]byte(key)))
				if got := cached(t, s, key); got != key {
					t.Errorf("own write: got %q, want %q", got, key)
				}
				if _, ok, err := s.Decision(t.Context(), key); !ok || err != nil {
					t.Errorf("own record: got %t, %v", ok, err)
				}
				if i%50 == 0 {
					setFact(t, s, fmt.Sprint(u), key)
					_, err := s.Decisions(t.Context(), 10, key)
					s.Stats()
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	users.Wait()
}

// waitFor gives up when the test binary does.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}

func TestBadOptions(t *testing.T) {
	f := func(o store.Options, want string) {
		t.Helper()
		if s, err := store.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v; want %q", s, err, want)
		}
	}
	f(store.Options{}, "no state folder")
	f(store.Options{Dir: t.TempDir(), CacheMaxBytes: 1000}, "too small")
}

func TestOpenWithCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ctx, store.Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestFilter looks for every key of a table with many more than the least that
// its filter is made for, before and after it has been learned.
func TestFilter(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), CacheMaxBytes: 1 << 20}
	const keys = 5000
	s := open(t, o)
	stop := run(t, s)
	for i := range keys {
		s.Put(fmt.Sprint(i), []byte("v"), time.Now())
		waitFor(t, func() bool { return s.Stats().Cache.Waiting < 900 })
	}
	stop()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, o)
		stop := run(t, s)
		for i := range keys {
			if _, _, ok, err := s.Get(t.Context(), fmt.Sprint(i)); !ok || err != nil {
				t.Fatalf("key %d: got %t, %v", i, ok, err)
			}
		}
		s.Put("0", []byte("again"), time.Now())
		s.Put(fmt.Sprint(keys-1), []byte("again"), time.Now())
		waitFor(t, func() bool { return s.Stats().Cache.Waiting == 0 })
		if rows := s.Stats().Cache.Rows; rows != keys {
			t.Errorf("got %d rows, want %d", rows, keys)
		}
		stop()
	}
}
