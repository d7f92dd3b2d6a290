package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/store"
)

// listing is the names of all files of a folder.
func listing(t *testing.T, dir string) (list []string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		list = append(list, n.Name())
	}
	return list
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	check := func(when string, want error) {
		t.Helper()
		before := listing(t, dir)
		if err := store.Check(t.Context(), dir); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", when, err, want)
		}
		if after := listing(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: the check left %v of %v", when, after, before)
		}
	}
	check("before the first start", nil)
	s := open(t, store.Options{Dir: dir})
	check("while it is open", store.ErrLocked)
	setFact(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check("after a good end", nil)
	overwrite(t, filepath.Join(dir, "queue.db"), 4096, strings.Repeat("no page ", 1024))
	if err := store.Check(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "queue.db") {
		t.Errorf("of a damaged file: got %v, want its name", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "queue.db-wal"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("after a kill", store.ErrUnsettled)
	if err := errors.Join(os.Remove(filepath.Join(dir, "lock")), os.Remove(filepath.Join(dir, "queue.db-wal"))); err != nil {
		t.Fatal(err)
	}
	if err := store.Check(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "queue.db") {
		t.Errorf("of a damaged file in a folder that was copied without its lock: got %v, want its name", err)
	}
}

func TestExposed(t *testing.T) {
	dir := t.TempDir()
	for mode, says := range map[os.FileMode]string{0o700: "", 0o755: "mode is 0755", 0o770: "mode is 0770"} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if got := store.Exposed(dir); !strings.Contains(got, says) || (got == "") != (says == "") {
			t.Errorf("mode %o: got %q, want %q", mode, got, says)
		}
	}
	if got := store.Exposed(filepath.Join(dir, "nothing")); got != "" {
		t.Errorf("got %q of a folder that is not there", got)
	}
}

// TestKeepAnswers shortens how long answers are kept while the store is used.
func TestKeepAnswers(t *testing.T) {
	now := &clock{now: noon}
	s := open(t, store.Options{Dir: t.TempDir(), CacheKeep: 10 * time.Hour, Now: now.Now})
	s.Put("k", []byte("v"), now.Now())
	write(t, s)
	now.add(time.Hour)
	for _, c := range []struct {
		keep time.Duration
		want string
	}{{2 * time.Hour, "v"}, {30 * time.Minute, ""}} {
		s.KeepAnswers(c.keep)
		s.Put("other", []byte("v"), now.Now())
		write(t, s)
		if got := cached(t, s, "k"); got != c.want {
			t.Errorf("got %q after 1 h of %v, want %q", got, c.keep, c.want)
		}
	}
	s.KeepAnswers(-1)
	s.Put("k", []byte("v"), now.Now())
	if got := cached(t, s, "k"); got != "" {
		t.Errorf("got %q of a store that keeps nothing", got)
	}
}
