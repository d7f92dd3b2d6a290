package twofold_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/cmd/nearside/twofold"
	"nearside/policy/seal"
	"nearside/policy/trial"
	"nearside/store"
)

var _ steer.Keeper = (*twofold.Keeper)(nil)

type facts struct {
	mu   sync.Mutex
	all  map[string]string
	fail error
}

func (f *facts) Fact(_ context.Context, name string) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.all[name]
	return v, ok, nil
}

func (f *facts) SetFact(_ context.Context, name, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.all[name] = value
	}
	return f.fail
}

func (f *facts) open(context.Context) (twofold.Facts, error) { return f, nil }

// car is a device with a state folder and a store, and who signs for it.
type car struct {
	dir   string
	facts *facts
	key   *seal.Private
	root  []byte
}

func newCar(t *testing.T) *car {
	t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := (&seal.Root{Version: 1, Threshold: 1, Keys: []seal.Key{key.Key()}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	root, err := seal.Sign(seal.RootType, payload, key)
	if err != nil {
		t.Fatal(err)
	}
	return &car{filepath.Join(t.TempDir(), "state", "policy"), &facts{all: map[string]string{}}, key, root}
}

func (c *car) policy(t *testing.T, version int64) []byte {
	t.Helper()
	p := seal.Payload{Tenant: "t", Channel: "c", Version: version, Issued: time.Now(), Kind: seal.KindPolicy, Body: "b"}
	payload, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.Sign(seal.PolicyType, payload, c.key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *car) file() string { return filepath.Join(c.dir, "record") }

// subject takes everything, and nobody asks it.
type subject struct{}

func (subject) Validate(context.Context, *seal.Payload) error { return nil }
func (subject) Swap(context.Context, *seal.Payload) error     { return nil }
func (subject) Figures() trial.Figures                        { return trial.Figures{} }

// drive runs the device for one life and returns what it told.
func (c *car) drive(t *testing.T, k *twofold.Keeper, do func(*steer.Steer)) string {
	t.Helper()
	var told []string
	s, err := steer.New(steer.Options{
		Device: seal.Device{Tenant: "t", Channel: "c", ID: "d"}, Root: c.root, Keeper: k, Subject: subject{},
		Clock: func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Build: time.Now().Add(-time.Hour)} },
		Tell:  func(e news.Event) { told = append(told, e.Kind) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	do(s)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return strings.Join(told, " ")
}

// TestOneCopyIsEnough: whatever is done to one copy, the floor holds.
func TestOneCopyIsEnough(t *testing.T) {
	for name, c := range map[string]struct {
		hurt func(t *testing.T, c *car, oldFile []byte, oldFact string)
		told bool
	}{
		"untouched":    {func(*testing.T, *car, []byte, string) {}, false},
		"file deleted": {func(t *testing.T, c *car, _ []byte, _ string) { fatal(t, os.Remove(c.file())) }, true},
		"folder deleted": {func(t *testing.T, c *car, _ []byte, _ string) {
			fatal(t, os.RemoveAll(c.dir))
		}, true},
		"file emptied": {func(t *testing.T, c *car, _ []byte, _ string) { fatal(t, os.Truncate(c.file(), 0)) }, true},
		"file torn":    {func(t *testing.T, c *car, _ []byte, _ string) { fatal(t, os.Truncate(c.file(), 900)) }, true},
		"file altered": {func(t *testing.T, c *car, _ []byte, _ string) {
			b, err := os.ReadFile(c.file())
			fatal(t, err)
			fatal(t, os.WriteFile(c.file(), []byte(strings.Replace(string(b), `"version":9`, `"version":1`, 1)), 0o600))
		}, true},
		"file of a backup": {func(t *testing.T, c *car, old []byte, _ string) { fatal(t, os.WriteFile(c.file(), old, 0o600)) }, true},
		"fact deleted":     {func(_ *testing.T, c *car, _ []byte, _ string) { clear(c.facts.all) }, true},
		"fact of a backup": {func(_ *testing.T, c *car, _ []byte, old string) { c.facts.all["remote"] = old }, true},
		"fact torn":        {func(_ *testing.T, c *car, _ []byte, _ string) { c.facts.all["remote"] = c.facts.all["remote"][:500] }, true},
	} {
		t.Run(name, func(t *testing.T) {
			car := newCar(t)
			offer := func(s *steer.Steer, version int64, want string) {
				t.Helper()
				if _, err := s.Offer(t.Context(), car.policy(t, version), "test"); seal.Reason(err) != want {
					t.Errorf("version %d: %v, want %q", version, err, want)
				}
			}
			keeper := func() *twofold.Keeper { return twofold.New(car.dir, car.facts.open) }
			car.drive(t, keeper(), func(s *steer.Steer) { offer(s, 3, "") })
			oldFile, err := os.ReadFile(car.file())
			fatal(t, err)
			oldFact := car.facts.all["remote"]
			car.drive(t, keeper(), func(s *steer.Steer) { offer(s, 9, "") })
			c.hurt(t, car, oldFile, oldFact)
			for life := range 2 {
				told := car.drive(t, keeper(), func(s *steer.Steer) {
					offer(s, 4, seal.OlderVersion)
					for end := time.Now().Add(time.Minute); s.Status().Version != 9; runtime.Gosched() { // the boot is counted first
						if time.Now().After(end) {
							t.Fatalf("in force is version %d, want 9", s.Status().Version)
						}
					}
				})
				if got := strings.Contains(told, news.Floor); got != (c.told && life == 0) {
					t.Errorf("life %d told %q", life, told)
				}
			}
		})
	}
}

func TestBothLost(t *testing.T) {
	car := newCar(t)
	k := func() *twofold.Keeper { return twofold.New(car.dir, car.facts.open) }
	car.drive(t, k(), func(s *steer.Steer) {
		if _, err := s.Offer(t.Context(), car.policy(t, 3), "test"); err != nil {
			t.Error(err)
		}
	})
	fatal(t, os.Truncate(car.file(), 100))
	clear(car.facts.all)
	told := car.drive(t, k(), func(s *steer.Steer) {
		if _, err := s.Offer(t.Context(), car.policy(t, 4), "test"); err != nil {
			t.Errorf("a device that lost all can be steered again: %v", err)
		}
	})
	if !strings.Contains(told, news.Lost) {
		t.Errorf("told %q", told)
	}
}

func TestModes(t *testing.T) {
	c := newCar(t)
	k := twofold.New(c.dir, c.facts.open)
	fatal(t, k.Save(t.Context(), []byte("x")))
	for path, want := range map[string]fs.FileMode{c.dir: 0o700, c.file(): 0o600} {
		info, err := os.Stat(path)
		fatal(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s: %v, want %v", filepath.Base(path), info.Mode().Perm(), want)
		}
	}
	fatal(t, os.Chmod(c.dir, 0o770))
	if err := k.Save(t.Context(), []byte("y")); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a folder that others may write: %v", err)
	}
	if b, err := k.Load(); err != nil || string(b) != "x" {
		t.Errorf("the old one is there: %q, %v", b, err)
	}
}

func TestWhatACutLeaves(t *testing.T) {
	c := newCar(t)
	k := twofold.New(c.dir, c.facts.open)
	fatal(t, k.Save(t.Context(), []byte("old")))
	fatal(t, os.WriteFile(filepath.Join(c.dir, "record.new"), []byte("ha"), 0o600))
	if b, err := k.Load(); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
	fatal(t, k.Save(t.Context(), []byte("new")))
	if b, err := k.Load(); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if names, err := os.ReadDir(c.dir); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestStoreInTrouble(t *testing.T) {
	c := newCar(t)
	k := twofold.New(c.dir, c.facts.open)
	fatal(t, k.Save(t.Context(), []byte("early")))
	if len(c.facts.all) != 0 {
		t.Error("the other copy was written before it was read")
	}
	if _, err := k.Second(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.facts.fail = errors.New("disk I/O error")
	fatal(t, k.Save(t.Context(), []byte("one")))
	if k.Fault() == "" {
		t.Error("no fault is told")
	}
	c.facts.fail = nil
	fatal(t, k.Save(t.Context(), []byte("two")))
	if k.Fault() != "" || c.facts.all["remote"] != "two" {
		t.Errorf("%q, %q", k.Fault(), c.facts.all)
	}
	if err := k.Save(t.Context(), make([]byte, 2<<20)); err == nil {
		t.Error("2 MiB were kept")
	}
	none := twofold.New(c.dir, func(context.Context) (twofold.Facts, error) { return nil, nil })
	if b, err := none.Second(t.Context()); b != nil || err != nil {
		t.Errorf("no store: %q, %v", b, err)
	}
}

func TestInTheStore(t *testing.T) {
	c := newCar(t)
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	fatal(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); fatal(t, <-done); fatal(t, s.Close()) }()
	open := func(context.Context) (twofold.Facts, error) { return s, nil }
	c.drive(t, twofold.New(c.dir, open), func(s *steer.Steer) {
		if _, err := s.Offer(t.Context(), c.policy(t, 3), "test"); err != nil {
			t.Error(err)
		}
	})
	fatal(t, os.RemoveAll(c.dir))
	c.drive(t, twofold.New(c.dir, open), func(s *steer.Steer) {
		if _, err := s.Offer(t.Context(), c.policy(t, 2), "test"); seal.Reason(err) != seal.OlderVersion {
			t.Error(err)
		}
	})
}

// BenchmarkSave: what a step costs that is durable, with a real store.
func BenchmarkSave(b *testing.B) {
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done; s.Close() }()
	k := twofold.New(filepath.Join(b.TempDir(), "policy"), func(context.Context) (twofold.Facts, error) { return s, nil })
	if _, err := k.Second(ctx); err != nil {
		b.Fatal(err)
	}
	record := []byte(strings.Repeat("x", 60<<10))
	for b.Loop() {
		if err := k.Save(ctx, record); err != nil {
			b.Fatal(err)
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
