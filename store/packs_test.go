package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nearside/store"
	"nearside/store/file"
)

// usual is a record of about the usual size, much like the others.
func usual(i int) []byte {
	return fmt.Appendf(nil, `{"id":"%d","why":"%s"}`, i, bytes.Repeat([]byte("no local target can answer this; "), 70))
}

// TestPacks reads records back one by one and as a list, and counts the room.
func TestPacks(t *testing.T) {
	const records = 500
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }})
	for i := range records {
		s.Record(fmt.Sprint(i), noon, is(usual(i)))
	}
	write(t, s)
	for i := range records {
		if got, ok, err := s.Decision(t.Context(), fmt.Sprint(i)); !bytes.Equal(got, usual(i)) || !ok || err != nil {
			t.Fatalf("record %d: got %q, %t, %v", i, got, ok, err)
		}
	}
	list, err := s.Decisions(t.Context(), 1000, "250")
	if len(list) != 250 || err != nil {
		t.Fatalf("got %d records, %v", len(list), err)
	}
	for i, got := range list {
		if want := usual(249 - i); !bytes.Equal(got, want) {
			t.Errorf("place %d: got %q, want %q", i, got, want)
		}
	}
	if got := s.Stats().Queue; got.Rows != records || got.Bytes > records*500 {
		t.Errorf("got %+v", got)
	}
}

// TestPacksGoWithTheirRecords: by age, for room, and when each was replaced.
func TestPacksGoWithTheirRecords(t *testing.T) {
	now := &clock{now: noon}
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, HistoryMaxBytes: 1 << 20, HistoryKeep: time.Hour, Now: now.Now})
	packs := func() int64 { return query(t, filepath.Join(dir, "queue.db"), "SELECT count(*) FROM packs") }
	for i := range 100 {
		s.Record(fmt.Sprint(i), noon, is(noise(30_000)))
		write(t, s)
	}
	got := s.Stats().Queue
	if got.Bytes > 1<<20 || got.Rows < 10 || packs() != got.Rows {
		t.Errorf("for room: got %d packs, %+v", packs(), got)
	}
	now.add(2 * time.Hour)
	for range 2 {
		for i := range 40 {
			s.Record(fmt.Sprint("later", i), now.Now(), is(usual(i)))
		}
		write(t, s)
	}
	if got := s.Stats().Queue; packs() != 2 || got.Rows != 40 {
		t.Errorf("by age and replaced: got %d packs, %+v", packs(), got)
	}
}

// TestPackOfTheYoung: a pack stays as long as one of its records does, however
// many older ones of it are gone.
func TestPackOfTheYoung(t *testing.T) {
	now := &clock{now: noon}
	s := open(t, store.Options{Dir: t.TempDir(), HistoryKeep: time.Hour, Now: now.Now})
	const records = 32
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	for i := range records {
		s.Record(fmt.Sprint(i), at(i), is(usual(i)))
	}
	write(t, s)
	for gone := range records {
		now.now = at(gone).Add(time.Hour + time.Second)
		s.Record(fmt.Sprint("new", gone), now.now, is(usual(gone)))
		write(t, s) // which removes what is too old
		for i := gone + 1; i < records; i++ {
			if got, ok, err := s.Decision(t.Context(), fmt.Sprint(i)); !bytes.Equal(got, usual(i)) || !ok || err != nil {
				t.Fatalf("record %d, when %d are gone: got %.20q, %t, %v", i, gone+1, got, ok, err)
			}
		}
		if got := s.Stats().Queue.Rows; got != records {
			t.Fatalf("got %d rows, when as many came as went", got)
		}
	}
}

// TestRecordsOfOneID: the last counts, in one batch and over several; what is too
// large beside them is counted once.
func TestRecordsOfOneID(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir()})
	for i := range 3 {
		s.Record("first", noon, is(usual(i)))
		s.Record("same", noon, is(usual(100+i)))
		for j := range 20 {
			s.Record(fmt.Sprint(i, j), noon, is(usual(i+j)))
		}
		s.Record("same", noon, is(usual(200+i)))
		s.Record("large", noon, is(noise(2<<20)))
		write(t, s)
		if got, ok, err := s.Decision(t.Context(), "same"); !bytes.Equal(got, usual(200+i)) || !ok || err != nil {
			t.Errorf("batch %d: got %.20q, %t, %v", i, got, ok, err)
		}
		if got := s.Stats().Queue; got.Rows != int64(2+20*(i+1)) || got.TooLarge != uint64(i+1) || got.State != file.StateOK {
			t.Errorf("batch %d: got %+v", i, got)
		}
	}
	list, err := s.Decisions(t.Context(), 1, "")
	if len(list) != 1 || !bytes.Equal(list[0], usual(202)) || err != nil {
		t.Errorf("the last recorded: got %.20q, %v", list, err)
	}
}

// old makes queue.db as an older version left it.
func old(t testing.TB, dir, rows string) {
	t.Helper()
	first, err := os.ReadFile("migrations/queue/0001_decisions_and_facts.sql")
	if err != nil {
		t.Fatal(err)
	}
	sqlite(t, filepath.Join(dir, "queue.db"), string(first)+"; PRAGMA user_version=1; INSERT INTO facts VALUES ('floor', '7');"+rows)
}

func TestRecordsBeforePacks(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
	old(t, o.Dir, fmt.Sprintf("INSERT INTO decisions (key, at, value) VALUES ('a', %d, x'41'), ('b', %[1]d, x'')", noon.UnixMilli()))
	s := open(t, o)
	s.Record("c", noon, is([]byte("C")))
	write(t, s)
	fact(t, s, "floor", "7")
	list, err := s.Decisions(t.Context(), 10, "")
	if got := string(bytes.Join(list, []byte(","))); got != "C,,A" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, ok, err := s.Decision(t.Context(), "a"); string(got) != "A" || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	if got := s.Stats().Queue; got.Rows != 3 || got.State != file.StateOK {
		t.Errorf("got %+v", got)
	}
}

// TestFullBeforePacks opens a file of an older version that has more than it may.
func TestFullBeforePacks(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), HistoryMaxBytes: 256 << 10, Now: func() time.Time { return noon }}
	rows := "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO decisions (key, at, value) SELECT i, %d, randomblob(4000) FROM n"
	old(t, o.Dir, fmt.Sprintf(rows, noon.UnixMilli()))
	s := open(t, o)
	stop := run(t, s)
	waitFor(t, func() bool { got := s.Stats().Queue; return got.Bytes <= o.HistoryMaxBytes })
	stop()
	if got, ok, err := s.Decision(t.Context(), "200"); len(got) != 4000 || !ok || err != nil {
		t.Errorf("got %d bytes, %t, %v", len(got), ok, err)
	}
	if got := s.Stats().Queue; got.State != file.StateOK || got.Rows < 20 {
		t.Errorf("got %+v", got)
	}
}

// FuzzPack puts any bytes in the place of a pack of two records.
func FuzzPack(f *testing.F) {
	dir := f.TempDir()
	s := open(f, store.Options{Dir: dir})
	s.Record("a", time.Now(), is([]byte("A")))
	s.Record("b", time.Now(), is([]byte("B")))
	write(f, s)
	db, err := sql.Open("sqlite3", filepath.Join(dir, "queue.db")+"?_synchronous=OFF")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	var good []byte
	if err := db.QueryRow("SELECT value FROM packs").Scan(&good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Add([]byte{3, 0})                                                            // nothing, compressed
	f.Add([]byte{1, 1, 0, 0xfe, 0xff, 0x05})                                       // a value longer than its pack
	f.Add(append([]byte{1, 10, 0, 0xf5, 0xff}, bytes.Repeat([]byte{0xff}, 10)...)) // a length of no end
	f.Fuzz(func(t *testing.T, pack []byte) {
		if _, err := db.Exec("UPDATE packs SET value = ?", append([]byte{}, pack...)); err != nil {
			t.Fatal(err)
		}
		a, okA, errA := s.Decision(t.Context(), "a")
		list, err := s.Decisions(t.Context(), 10, "")
		if errA == nil && (!okA || err == nil && !bytes.Equal(a, list[1])) {
			t.Errorf("got %q, %t and %q, %v", a, okA, list, err)
		}
		if (errA != nil || err != nil) && bytes.Equal(pack, good) {
			t.Error(errors.Join(errA, err))
		}
	})
}
