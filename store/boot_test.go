package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/store"
	"nearside/store/file"
)

// spoil makes a store with a fact and some rows, closes it and lets f at its files.
func spoil(t testing.TB, f func(queue, cache string)) store.Options {
	t.Helper()
	o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
	s := open(t, o)
	setFact(t, s, "floor", "7")
	for i := range 100 {
		s.Put(fmt.Sprint(i), make([]byte, 3000), noon)
		s.Record(fmt.Sprint(i), noon, is(make([]byte, 3000)))
	}
	write(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f(filepath.Join(o.Dir, "queue.db"), filepath.Join(o.Dir, "cache.db"))
	return o
}

// replaced checks that both files were moved aside and the store works.
func replaced(t testing.TB, o store.Options, floor string) {
	t.Helper()
	s := open(t, o)
	for _, f := range []file.Stats{s.Stats().Queue, s.Stats().Cache} {
		if _, err := os.Stat(filepath.Join(o.Dir, f.Aside)); f.State != file.StateQuarantined || f.Rows != 0 || f.Aside == "" || err != nil {
			t.Errorf("got %+v, %v", f, err)
		}
	}
	fact(t, s, "floor", floor)
	setFact(t, s, "floor", "9")
	s.Put("k", []byte("v"), noon)
	write(t, s)
	if got := cached(t, s, "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	s.Close()
	s = open(t, o)
	if got := s.Stats(); got.Queue.State != file.StateOK || got.Cache.State != file.StateOK {
		t.Errorf("after the next start: got %+v", got)
	}
	fact(t, s, "floor", "9")
}

func TestGarbageFile(t *testing.T) {
	o := spoil(t, func(queue, cache string) {
		for _, name := range []string{queue, cache} {
			overwrite(t, name, 0, strings.Repeat("garbage ", 2000))
		}
	})
	replaced(t, o, "")
}

func TestCorruptPage(t *testing.T) {
	o := spoil(t, func(queue, cache string) {
		for name, table := range map[string]string{queue: "decisions", cache: "answers"} {
			root := query(t, name, "SELECT rootpage FROM sqlite_schema WHERE name = ?", table)
			overwrite(t, name, (root-1)*4096, strings.Repeat("\xff", 4096))
		}
	})
	replaced(t, o, "7")
}

func TestNewerSchema(t *testing.T) {
	o := spoil(t, func(queue, cache string) {
		for _, name := range []string{queue, cache} {
			sqlite(t, name, "PRAGMA user_version = 99")
		}
	})
	replaced(t, o, "7")
}

func TestForeignSchema(t *testing.T) {
	o := spoil(t, func(queue, cache string) {
		for name, table := range map[string]string{queue: "decisions", cache: "answers"} {
			sqlite(t, name, "PRAGMA user_version = 0; DROP TABLE "+table+"; CREATE TABLE "+table+" (x)")
		}
	})
	replaced(t, o, "7")
}

func TestKeepsTwoAside(t *testing.T) {
	now := &clock{now: noon}
	o := store.Options{Dir: t.TempDir(), Now: now.Now}
	for range 4 {
		if err := os.WriteFile(filepath.Join(o.Dir, "cache.db"), []byte(strings.Repeat("garbage ", 2000)), 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, o).Close()
		now.add(time.Minute)
	}
	got, err := filepath.Glob(filepath.Join(o.Dir, "*.corrupt-*"))
	want := []string{"cache.db.corrupt-20261122T120200.000Z", "cache.db.corrupt-20261122T120300.000Z"}
	if err != nil || len(got) != 2 || filepath.Base(got[0]) != want[0] || filepath.Base(got[1]) != want[1] {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestSecondOnTheSameFolder(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	first := open(t, o)
	if _, err := store.Open(t.Context(), o); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("got %v", err)
	}
	first.Close()
	open(t, o)
}

// Root may write anywhere, so this thread looks at files as nobody.
func TestFolderThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o500), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.Setfsuid(65534)
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	syscall.Setfsuid(os.Getuid())
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "check its owner and mode") {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestKilledWhileWriting(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	last := 0
	for range 3 {
		last = max(last, killAfter(t, o.Dir, 30))
		s := open(t, o)
		got := s.Stats()
		if got.Queue.State != file.StateOK || got.Cache.State != file.StateOK {
			t.Errorf("got %+v", got)
		}
		value, _, err := s.Fact(t.Context(), "count")
		if n, _ := strconv.Atoi(value); n < last || err != nil {
			t.Errorf("got fact %q, %v; %d was acknowledged", value, err, last)
		}
		for i := range last {
			fact(t, s, fmt.Sprint("n", i+1), "set")
		}
		s.Close()
	}
}

// killAfter lets a child write until it has acknowledged so many facts, kills it
// and returns the last that it acknowledged.
func killAfter(t *testing.T, dir string, facts int) int {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "STORE_TEST_WRITER="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last, lines := 0, bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		last, _ = strconv.Atoi(lines.Text())
		if n == facts {
			child.Process.Kill()
		}
	}
	if err := child.Wait(); err == nil || last == 0 {
		t.Fatalf("the child was not killed: last %d, %v", last, err)
	}
	return last
}

// writeUntilKilled is the child: it never returns.
func writeUntilKilled(dir string) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: dir, CacheMaxBytes: 1 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go s.Run(ctx)
	value, _, _ := s.Fact(ctx, "count")
	for i, _ := strconv.Atoi(value); ; {
		i++
		s.Put(fmt.Sprint(i%500), make([]byte, 20_000), time.Now())
		s.Record(fmt.Sprint(i), time.Now(), is(make([]byte, 2000)))
		if err := errors.Join(s.SetFact(ctx, fmt.Sprint("n", i), "set"), s.SetFact(ctx, "count", fmt.Sprint(i))); err != nil {
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func overwrite(t testing.TB, name string, offset int64, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), offset); err != nil {
		t.Fatal(err)
	}
}

func sqlite(t testing.TB, name, script string) {
	t.Helper()
	db, err := sql.Open("sqlite3", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
}

func query(t testing.TB, name, text string, args ...any) (n int64) {
	t.Helper()
	db, err := sql.Open("sqlite3", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(text, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func FuzzAnyFile(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("SQLite format 3\x00"))
	f.Add([]byte(strings.Repeat("garbage ", 600)))
	o := spoil(f, func(_, _ string) {})
	good, err := os.ReadFile(filepath.Join(o.Dir, "queue.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:6*4096])
	f.Fuzz(func(t *testing.T, file []byte) {
		dir := t.TempDir()
		for _, name := range []string{"queue.db", "cache.db"} {
			if err := os.WriteFile(filepath.Join(dir, name), file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, store.Options{Dir: dir})
		s.Put("k", []byte("v"), time.Now())
		setFact(t, s, "floor", "7")
		fact(t, s, "floor", "7")
		write(t, s)
		if got := cached(t, s, "k"); got != "v" {
			t.Errorf("got %q", got)
		}
	})
}
