package steer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/policy/trial"
)

// disk is a keeper. Its copies outlive the lives of processes.
type disk struct {
	mu            sync.Mutex
	first, second []byte
	saves         int
	save          func(n int, b []byte) error // asked first, with the number of the save
	late          chan struct{}               // the second copy comes when it is closed
	read          bool                        // the second copy was, and may be written
}

func (k *disk) Load() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read = false
	return k.first, nil
}

func (k *disk) Second(ctx context.Context) ([]byte, error) {
	if k.late != nil {
		select {
		case <-k.late:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read = true
	return k.second, nil
}

func (k *disk) Save(_ context.Context, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saves++
	if k.save != nil {
		if err := k.save(k.saves, b); err != nil {
			return err
		}
	}
	k.first = b
	if k.read {
		k.second = b
	}
	return nil
}

// count is how many saves there were.
func (k *disk) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.saves
}

// on has something asked before each save from now on.
func (k *disk) on(save func(n int, b []byte) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.save = save
}

func (k *disk) record(tb testing.TB) trial.Record {
	tb.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.first == nil {
		return trial.Record{}
	}
	r, err := trial.Decode(k.first)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// other is the second copy.
func (k *disk) other() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.second
}

// tardy has read the other copy at once, and hands it over later.
type tardy struct{ *disk }

func (s tardy) Load() ([]byte, error) {
	b, err := s.disk.Load()
	_, _ = s.disk.Second(context.Background())
	return b, err
}

func (s tardy) Second(context.Context) ([]byte, error) {
	b := s.other()
	time.Sleep(5 * time.Second)
	return b, nil
}

// TestOlderFirstCopy: while the other copy is on its way, what an older one says
// does not take its place: a power cut would make that the truth.
func TestOlderFirstCopy(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.end(t)
		old := k.first
		l = live(t, o, k)
		l.takes(t, o.policy(t, 0, 2, "two"))
		time.Sleep(time.Minute)
		l.end(t)
		k.first = old
		l = live(t, o, tardy{k})
		defer l.end(t)
		time.Sleep(4 * time.Second)
		if r, err := trial.Decode(k.other()); err != nil || r.Good == nil || r.Good.Said.Version != 2 {
			t.Fatalf("the newer copy is gone: %+v, %v", r.Good, err)
		}
		time.Sleep(4 * time.Second)
		l.is(t, "confirmed", "two", 2)
		if r := k.record(t); r.Good.Said.Version != 2 {
			t.Errorf("the older copy stays")
		}
	})
}

// TestMemory: what a process remembers of itself, another on the same record
// finds; a new one begins anew.
func TestMemory(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &steer.Memory{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 7, "seven"))
		l.end(t)
		again := live(t, o, k)
		again.is(t, "probation", "seven", 7)
		again.end(t)
		other := live(t, o, &steer.Memory{})
		defer other.end(t)
		other.is(t, "factory", "", 0)
	})
}
