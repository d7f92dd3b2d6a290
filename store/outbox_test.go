package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/store"
	"nearside/store/file"
)

func add(t testing.TB, s *store.Store, notes ...store.Note) {
	t.Helper()
	for _, n := range notes {
		if err := s.Add(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
}

// bodies are those of the notes that wait, oldest first.
func bodies(t testing.TB, s *store.Store, limit int) (list []string) {
	t.Helper()
	notes, err := s.Pending(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		list = append(list, string(n.Body))
	}
	return list
}

func event(body string) store.Note { return store.Note{Topic: "evt", Body: []byte(body)} }
func report(body string) store.Note {
	return store.Note{Topic: "rep", Body: []byte(body), Retain: true, Key: "rep"}
}

// TestOutbox: notes wait in their order until they are done; of a key only the
// latest does, under a new id.
func TestOutbox(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	s := open(t, o)
	add(t, s, event("a"), report("r1"), event("b"), report("r2"), event("c"))
	if got := bodies(t, s, 9); !slices.Equal(got, []string{"a", "b", "r2", "c"}) {
		t.Fatalf("got %q", got)
	}
	first, err := s.Pending(t.Context(), 3)
	if err != nil || first[2].ID == 2 || !first[2].Retain || first[2].Key != "rep" || first[2].Topic != "rep" || first[0].Retain || first[0].Key != "" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if err := s.Done(t.Context(), first[0].ID, 2, 999); err != nil {
		t.Fatal(err)
	}
	if s.Depth() != 3 || s.Dropped() != 0 {
		t.Errorf("%d wait, %d dropped, want 3 and none", s.Depth(), s.Dropped())
	}
	s.Close()
	s = open(t, o)
	if got := bodies(t, s, 9); !slices.Equal(got, []string{"b", "r2", "c"}) || s.Depth() != 3 {
		t.Errorf("after a restart: %q, depth %d", got, s.Depth())
	}
	last, _ := s.Pending(t.Context(), 9)
	if err := s.Done(t.Context(), last[2].ID); err != nil {
		t.Fatal(err)
	}
	add(t, s, event("d"))
	if again, _ := s.Pending(t.Context(), 9); again[2].ID <= last[2].ID {
		t.Errorf("id %d was given again", last[2].ID)
	}
}

// TestOutboxIsBounded: what is too much is dropped, the oldest events first, and
// counted, also over a restart; the latest values stay.
func TestOutboxIsBounded(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), HistoryMaxBytes: 1 << 20} // 128 KiB of notes
	s := open(t, o)
	add(t, s, report("the report"))
	for i := range 400 {
		add(t, s, event(fmt.Sprintf("%04d", i)+strings.Repeat("x", 1020)))
	}
	check := func(when string) {
		t.Helper()
		got := bodies(t, s, 999)
		if int64(len(got)) != s.Depth() || len(got)+int(s.Dropped()) != 401 || len(got) > 129 || len(got) < 100 {
			t.Errorf("%s: %d wait, depth %d, %d dropped", when, len(got), s.Depth(), s.Dropped())
		}
		if got[0] != "the report" || !strings.HasPrefix(got[len(got)-1], "0399") {
			t.Errorf("%s: from %.9q to %.9q", when, got[0], got[len(got)-1])
		}
	}
	check("full")
	s.Close()
	s = open(t, o)
	check("after a restart")
	if err := s.Add(t.Context(), event(strings.Repeat("x", 70<<10))); err == nil {
		t.Error("a note of 70 KiB was kept")
	}
	add(t, s, event(strings.Repeat("y", 68<<10-3)))
	if got := bodies(t, s, 999); len(got[len(got)-1]) != 68<<10-3 {
		t.Error("the largest note is not the newest")
	}
}

func TestOutboxCountIsBounded(t *testing.T) {
	s := memory(t)
	for i := range 4200 {
		add(t, s, event(fmt.Sprint(i)))
	}
	if s.Depth() > 4096 || s.Depth() < 4000 || s.Dropped() != 4200-s.Depth() {
		t.Errorf("%d wait, %d dropped", s.Depth(), s.Dropped())
	}
}

func memory(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.OpenMemory(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestOutboxMakesRoom: a file that decisions fill takes notes nevertheless.
func TestOutboxMakesRoom(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }, HistoryMaxBytes: 256 << 10})
	for i := range 200 {
		s.Record(fmt.Sprint(i), noon, is([]byte(strings.Repeat(fmt.Sprint(i), 2000))))
	}
	write(t, s)
	for i := range 20 {
		add(t, s, event(fmt.Sprint(i)+strings.Repeat("x", 1000)))
	}
	if s.Depth() != 20 {
		t.Errorf("%d wait, want 20", s.Depth())
	}
	if got := s.Stats().Queue; got.Bytes > got.Quota {
		t.Errorf("got %+v", got)
	}
}

// TestOutboxIsSalvaged: notes and the count of the dropped outlast a damaged
// file.
func TestOutboxIsSalvaged(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	s := open(t, o)
	add(t, s, event("a"), report("r"))
	setFact(t, s, "outbox.dropped", "5")
	s.Close()
	sqlite(t, filepath.Join(o.Dir, "queue.db"), "PRAGMA user_version = 99")
	s = open(t, o)
	if got := bodies(t, s, 9); !slices.Equal(got, []string{"a", "r"}) || s.Depth() != 2 || s.Dropped() != 5 {
		t.Errorf("got %q, depth %d, %d dropped", got, s.Depth(), s.Dropped())
	}
	if got := s.Stats().Queue.State; got != file.StateQuarantined {
		t.Errorf("state %s", got)
	}
}

// TestOutboxOutlastsAKill: what was acknowledged is read from a copy of the
// files as they were at that moment, with nothing closed.
func TestOutboxOutlastsAKill(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	add(t, open(t, o), event("a"))
	after := store.Options{Dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(after.Dir, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(after.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := bodies(t, open(t, after), 9); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %q", got)
	}
}

func BenchmarkOutbox(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	body := strings.Repeat("x", 1000)
	for b.Loop() {
		add(b, s, event(body))
		notes, err := s.Pending(context.Background(), 1)
		if err != nil || s.Done(context.Background(), notes[0].ID) != nil {
			b.Fatal(err)
		}
	}
}
