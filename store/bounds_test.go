package store_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/store"
	"nearside/store/file"
)

func TestFullQueueDrops(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir()})
	for i := range 4100 {
		s.Put(fmt.Sprint(i), []byte("v"), noon)
	}
	for i := range 4100 {
		s.Record(strings.Repeat(fmt.Sprint(i%10), 2000)+fmt.Sprint(i), noon, is(nil))
	}
	got := s.Stats()
	if got.Cache.Dropped != 4 || got.Cache.Waiting != 4096 {
		t.Errorf("by number: got %+v", got.Cache)
	}
	if got.Queue.Dropped == 0 || got.Queue.Waiting > 2000 || got.Queue.Waiting+int(got.Queue.Dropped) != 4100 {
		t.Errorf("by bytes: got %+v", got.Queue)
	}
	if got := cached(t, s, "0"); got != "v" {
		t.Errorf("what was queued first was lost: %q", got)
	}
}

func TestTooLarge(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), CacheMaxBytes: 1 << 20})
	s.Put("sixteenth", make([]byte, 64<<10), noon)
	s.Put("less", make([]byte, 63<<10), noon)
	if got := s.Stats().Cache; got.TooLarge != 1 || got.Waiting != 1 {
		t.Errorf("got %+v", got)
	}
	if err := s.SetFact(t.Context(), "big", strings.Repeat("x", 1<<20)); err == nil {
		t.Error("a fact of more than 1 MiB was taken")
	}
}

func TestEvictsOldestForRoom(t *testing.T) {
	const quota = 1 << 20
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, CacheMaxBytes: quota, Now: func() time.Time { return noon }})
	for i := range 400 {
		s.Put(fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 10_000), noon)
		if i%50 == 49 {
			write(t, s)
		}
	}
	got := s.Stats().Cache
	if got.Bytes > quota || got.Bytes < quota/2 || got.Evicted+uint64(got.Rows) != 400 || got.Dropped != 0 || got.State != file.StateOK {
		t.Errorf("got %+v", got)
	}
	if first, last := cached(t, s, "0"), cached(t, s, "399"); first != "" || len(last) != 10_000 {
		t.Errorf("got first %d bytes, last %d bytes", len(first), len(last))
	}
	if info, err := os.Stat(filepath.Join(dir, "cache.db")); err != nil || info.Size() > quota {
		t.Errorf("file: got %v, %v", info.Size(), err)
	}
}

func TestLoweredQuotaShrinksTheFile(t *testing.T) {
	dir := t.TempDir()
	o := store.Options{Dir: dir, CacheMaxBytes: 8 << 20, Now: func() time.Time { return noon }}
	s := open(t, o)
	for i := range 60 {
		s.Put(fmt.Sprint(i), make([]byte, 50_000), noon)
	}
	write(t, s)
	s.Close()
	o.CacheMaxBytes = 512 << 10
	s = open(t, o)
	stop := run(t, s)
	name := filepath.Join(dir, "cache.db")
	waitFor(t, func() bool { return query(t, name, "PRAGMA page_count")*4096 <= o.CacheMaxBytes })
	stop()
	s.Close()
	if info, err := os.Stat(name); err != nil || info.Size() > o.CacheMaxBytes {
		t.Errorf("file: got %v, %v", info.Size(), err)
	}
}

func TestEvictsByAge(t *testing.T) {
	now := &clock{now: noon}
	s := open(t, store.Options{Dir: t.TempDir(), CacheKeep: time.Hour, HistoryKeep: 2 * time.Hour, Now: now.Now})
	for i := range 200 {
		s.Put(fmt.Sprint("old", i), []byte("v"), noon)
	}
	s.Record("old", noon, is([]byte("{}")))
	write(t, s)
	now.add(90 * time.Minute)
	s.Put("new", []byte("v"), now.Now())
	stop := run(t, s)
	waitFor(t, func() bool { return s.Stats().Cache.Rows == 1 })
	stop()
	if got := s.Stats(); got.Queue.Rows != 1 || got.Cache.Evicted != 200 {
		t.Errorf("got %+v", got)
	}
	now.add(time.Hour)
	s.Record("new", now.Now(), is([]byte("{}")))
	write(t, s)
	if _, ok, err := s.Decision(t.Context(), "old"); ok || err != nil {
		t.Errorf("got %t, %v", ok, err)
	}
}

// TestForgetsTheFuture: an answer that a wrong clock dated ahead does not stay for
// ever; decisions do, they are not judged by age.
func TestForgetsTheFuture(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	s.Put("soon", []byte("v"), noon.Add(23*time.Hour))
	s.Put("far", []byte("v"), noon.Add(25*time.Hour))
	s.Record("far", noon.Add(25*time.Hour), is([]byte("{}")))
	write(t, s)
	stop := run(t, s)
	waitFor(t, func() bool { return s.Stats().Cache.Rows == 1 })
	stop()
	if cached(t, s, "far") != "" || cached(t, s, "soon") != "v" || s.Stats().Queue.Rows != 1 {
		t.Errorf("got %+v", s.Stats())
	}
}

func TestKeepsNothing(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
	s := open(t, o)
	s.Put("before", []byte("v"), noon.Add(-time.Millisecond))
	write(t, s)
	s.Close()
	o.CacheKeep = -1
	s = open(t, o)
	s.Put("now", []byte("v"), noon)
	stop := run(t, s)
	waitFor(t, func() bool { return s.Stats().Cache.Rows == 0 })
	stop()
	if got := s.Stats().Cache; got.Rows != 0 || got.Waiting != 0 || got.Dropped != 0 {
		t.Errorf("got %+v", got)
	}
	if before, now := cached(t, s, "before"), cached(t, s, "now"); before+now != "" {
		t.Errorf("got %q and %q", before, now)
	}
}

func TestTextOfOldAnswersIsGone(t *testing.T) {
	now := &clock{now: noon}
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, CacheKeep: time.Hour, Now: now.Now})
	s.Put("long", bytes.Repeat([]byte("confidential "), 4000), noon)
	s.Put("short", []byte("confidential"), noon)
	s.Put("other", []byte("harmless"), noon.Add(time.Hour))
	write(t, s)
	now.add(90 * time.Minute)
	stop := run(t, s)
	waitFor(t, func() bool { return s.Stats().Cache.Rows == 1 })
	stop()
	s.Close()
	files, err := filepath.Glob(filepath.Join(dir, "cache.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte("confidential")) || !bytes.Contains(text, []byte("harmless")) {
			t.Errorf("%s still holds the old text (%v)", filepath.Base(name), err)
		}
	}
}

// noise is what no packing makes smaller.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestRoomRunsOutAndComesBack(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), HistoryMaxBytes: 512 << 10, Now: func() time.Time { return noon }})
	s.Record("before", noon, is(noise(10_000)))
	write(t, s)
	var names []string
	for err := error(nil); err == nil; { // facts are not evicted, so they can use all of the quota
		name := fmt.Sprint("fact", len(names))
		if err = s.SetFact(t.Context(), name, strings.Repeat("x", 20_000)); err == nil {
			names = append(names, name)
		}
	}
	if got := s.Stats().Queue; got.State != file.StateFull || got.LastError == "" || len(names) < 15 || got.Rows != 0 {
		t.Errorf("after %d facts: got %+v", len(names), got)
	}
	s.Record("while full", noon, is(noise(30_000)))
	write(t, s)
	if got := s.Stats().Queue; got.State != file.StateFull || got.Dropped != 1 {
		t.Errorf("got %+v", got)
	}
	for _, name := range names {
		setFact(t, s, name, "y")
	}
	s.Record("after", noon, is(noise(30_000)))
	write(t, s)
	if got := s.Stats().Queue; got.State != file.StateOK || got.Rows != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestNoReserveNoGrowth(t *testing.T) {
	dir := t.TempDir()
	o := store.Options{Dir: dir, Now: func() time.Time { return noon }}
	s := open(t, o)
	fill := func(name string) {
		for i := range 200 {
			s.Put(fmt.Sprint(name, i), make([]byte, 10_000), noon)
		}
		write(t, s)
	}
	fill("before")
	s.Close()
	size := query(t, filepath.Join(dir, "cache.db"), "PRAGMA page_count")
	reserve := filepath.Join(dir, "reserve")
	if err := errors.Join(os.Remove(reserve), os.MkdirAll(filepath.Join(reserve, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	fill("after")
	got := s.Stats().Cache
	if got.State != file.StateFull || got.Dropped != 0 || got.Evicted == 0 || len(cached(t, s, "after199")) != 10_000 {
		t.Errorf("got %+v", got)
	}
	if now := query(t, filepath.Join(dir, "cache.db"), "PRAGMA page_count"); now != size {
		t.Errorf("the file grew from %d to %d pages", size, now)
	}
	if err := os.RemoveAll(reserve); err != nil {
		t.Fatal(err)
	}
	write(t, s)
	if got := s.Stats().Cache; got.State != file.StateOK {
		t.Errorf("with a reserve again: got %+v", got)
	}
}

// blocked opens a store that can have no reserve, and tells where that would be.
func blocked(t *testing.T, o store.Options) (s *store.Store, reserve string) {
	t.Helper()
	reserve = filepath.Join(o.Dir, "reserve")
	if err := errors.Join(os.RemoveAll(reserve), os.MkdirAll(filepath.Join(reserve, "in the way"), 0o700)); err != nil {
		t.Fatal(err)
	}
	s = open(t, o)
	write(t, s)
	if got := s.Stats().Queue.State; got != file.StateFull {
		t.Fatalf("without a reserve it is %s", got)
	}
	return s, reserve
}

// TestReserveComesBack soon after writes find room for it, not with the upkeep of
// the next minute.
func TestReserveComesBack(t *testing.T) {
	s, reserve := blocked(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	run(t, s)
	s.Put("before", []byte("v"), noon)
	waitFor(t, func() bool { return s.Stats().Cache.Waiting == 0 })
	if err := os.RemoveAll(reserve); err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	waitFor(t, func() bool {
		s.Put("after", []byte("v"), noon)
		return s.Stats().Cache.State == file.StateOK
	})
	if took := time.Since(room); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestYoungAndFull: a small file without room to grow loses about as much as comes.
func TestYoungAndFull(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
	s := open(t, o)
	const before, after = 20, 4
	for i := range before {
		s.Record(fmt.Sprint("before", i), noon, is(noise(1000)))
		write(t, s)
	}
	s.Close()
	s, _ = blocked(t, o)
	for i := range after {
		s.Record(fmt.Sprint("after", i), noon, is(noise(1000)))
		write(t, s)
	}
	got := s.Stats().Queue
	if _, ok, err := s.Decision(t.Context(), "after0"); !ok || err != nil || got.Dropped != 0 || got.Rows < (before+after)/2 {
		t.Errorf("got %+v, the first that came since is there: %t, %v", got, ok, err)
	}
}

// TestLargeBatchesInAFullStore: what comes under full load into files that are
// full makes way for itself, and the reserve for a full disk is not touched.
func TestLargeBatchesInAFullStore(t *testing.T) {
	const quota = 8 << 20
	s := open(t, store.Options{Dir: t.TempDir(), CacheMaxBytes: quota, HistoryMaxBytes: quota, Now: func() time.Time { return noon }})
	stop := run(t, s)
	for i := range 40_000 {
		key := sha256.Sum256([]byte(fmt.Sprint(i)))
		s.Put(base64.RawURLEncoding.EncodeToString(key[:16]), noise(300+i%700), noon)
		s.Record(fmt.Sprintf("d%022x", i), noon, is(append(noise(600), usual(i)...)))
		if i%1024 == 1023 {
			waitFor(t, func() bool { got := s.Stats(); return got.Cache.Waiting+got.Queue.Waiting < 512 })
		}
	}
	stop()
	got := s.Stats()
	for name, f := range map[string]file.Stats{"cache": got.Cache, "queue": got.Queue} {
		if f.State != file.StateOK || f.Dropped != 0 || f.Evicted == 0 || f.Bytes < quota*3/4 {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}
