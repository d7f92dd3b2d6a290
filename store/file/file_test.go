package file_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"nearside/store/file"
)

// scripts are those of a file named things.
func scripts(texts ...string) fstest.MapFS {
	all := fstest.MapFS{}
	for i, text := range texts {
		all["migrations/things/000"+string(rune('1'+i))+".sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

const table = "CREATE TABLE things (name TEXT PRIMARY KEY, value BLOB)"

func spec(path string, texts ...string) file.Spec {
	return file.Spec{Name: "things", Path: path, Sync: "NORMAL", Quota: 1 << 20, Scripts: scripts(texts...), Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

func open(t *testing.T, s file.Spec) *file.File {
	t.Helper()
	f, err := file.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func put(f *file.File, name string, value []byte) error {
	return f.InTx(context.Background(), func(tx *sql.Tx) error {
		_, err := file.Affected(tx.Exec("INSERT INTO things (name, value) VALUES (?, ?)", name, value))
		return err
	})
}

func count(t *testing.T, f *file.File) (n int) {
	t.Helper()
	if err := f.Readers.QueryRow("SELECT count(*) FROM things").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOpen lives through what can become of a file.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "things.db")
	for _, tt := range []struct {
		name    string
		spoil   func()
		texts   []string
		before  int // things that are there
		state   file.State
		damaged bool
	}{
		{"new", func() {}, []string{table}, 0, file.StateOK, false},
		{"again", func() {}, []string{table}, 1, file.StateOK, false},
		{"one script more", func() {}, []string{table, "ALTER TABLE things ADD COLUMN more TEXT"}, 2, file.StateOK, false},
		{"of a newer version", func() {}, []string{table}, 0, file.StateQuarantined, true},
		{"no database", func() { _ = os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600) }, []string{table}, 0, file.StateQuarantined, true},
		{"good again", func() {}, []string{table}, 1, file.StateOK, false},
	} {
		tt.spoil()
		s := spec(path, tt.texts...)
		f, err := file.Open(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if n := count(t, f); n != tt.before || f.Stats(false).State != tt.state {
			t.Errorf("%s: %d things, %+v", tt.name, n, f.Stats(false))
		}
		if old := f.Predecessor(); (old != nil) != tt.damaged {
			t.Errorf("%s: a predecessor is there: %t", tt.name, old != nil)
		} else if old != nil {
			old.Close()
		}
		if err := errors.Join(put(f, tt.name, nil), f.Close(), f.Close()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := file.Check(t.Context(), path); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestQuota: what finds no room is told from what is there already, and leaves
// nothing behind.
func TestQuota(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "things.db")} {
		f := open(t, spec(path, table))
		if err := put(f, "small", nil); err != nil {
			t.Fatal(err)
		}
		if err := put(f, "large", make([]byte, 2<<20)); !file.IsFull(err) || file.IsTaken(err) {
			t.Errorf("2 MiB in a file of 1: got %v", err)
		}
		if err := put(f, "small", nil); file.IsFull(err) || err == nil {
			t.Errorf("twice: got %v", err)
		}
		if n := count(t, f); n != 1 {
			t.Errorf("%d things are there", n)
		}
		f.NoteWrite(put(f, "large", make([]byte, 2<<20)))
		if got := f.Stats(false); got.State != file.StateFull || got.LastError == "" {
			t.Errorf("got %+v", got)
		}
		if f.NoteWrite(nil); f.Stats(false).State == file.StateFull || f.Stats(true).State == file.StateOK {
			t.Errorf("got %+v, and %+v on a full disk", f.Stats(false), f.Stats(true))
		}
	}
}

func TestBadScript(t *testing.T) {
	_, err := file.Open(t.Context(), spec("", "CREATE NONSENSE"))
	if err == nil || !strings.Contains(err.Error(), "migrations/things/0001.sql") {
		t.Errorf("got %v", err)
	}
}
