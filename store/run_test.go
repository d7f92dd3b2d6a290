package store_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"nearside/store"
)

// TestBatches: the writer takes few after a while and many at once, and what comes
// while it writes is not forgotten, though nothing comes after it.
func TestBatches(t *testing.T) {
	for _, sizes := range [][]int{{1}, {31, 33}, {800}, {1, 800, 1}, {1700, 5}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, store.Options{Dir: dir})
			stop := run(t, s)
			var want []string
			for _, n := range sizes {
				for range n {
					key := fmt.Sprint(len(want))
					s.Put(key, []byte("answer "+key), time.Now())
					s.Record(key, time.Now(), is([]byte("record "+key)))
					want = append(want, "record "+key)
				}
				waitFor(t, func() bool { return s.Stats().Queue.Waiting < n }) // the writer is at it
			}
			waitFor(t, func() bool { return s.Stats().Queue.Waiting+s.Stats().Cache.Waiting == 0 })
			stop()
			s.Close()
			slices.Reverse(want)
			if want = want[:min(len(want), 1000)]; !slices.Equal(listed(t, open(t, store.Options{Dir: dir})), want) {
				t.Error("the records are not all there, in their order")
			}
		})
	}
}

// listed are the latest records, the newest first.
func listed(t *testing.T, s *store.Store) (list []string) {
	t.Helper()
	records, err := s.Decisions(t.Context(), 1000, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		list = append(list, string(r))
	}
	return list
}

// TestSteadyTrickle: with something new all the time the writer keeps up, and what
// comes last is written like the rest.
func TestSteadyTrickle(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir()})
	run(t, s)
	var most int
	tick, end, n := time.NewTicker(500*time.Microsecond), time.Now().Add(time.Second), 0
	defer tick.Stop()
	for at := range tick.C {
		key := fmt.Sprint(n)
		s.Put(key, []byte(key), at)
		s.Record(key, at, is([]byte(key)))
		most = max(most, s.Stats().Queue.Waiting)
		if n++; at.After(end) {
			break
		}
	}
	waitFor(t, func() bool { return s.Stats().Queue.Waiting+s.Stats().Cache.Waiting == 0 })
	if got := s.Stats(); got.Queue.Rows != int64(n) || got.Queue.Dropped+got.Cache.Dropped > 0 {
		t.Errorf("%d of %d records, at most %d waiting: %+v", got.Queue.Rows, n, most, got.Queue)
	}
}

// TestBeside: whoever wants to know is told when the writer is at work, and when it
// is done.
func TestBeside(t *testing.T) {
	var begun, ended atomic.Int64
	s := open(t, store.Options{Dir: t.TempDir(), Beside: func() func() {
		begun.Add(1)
		return func() { ended.Add(1) }
	}})
	stop := run(t, s)
	waitFor(t, func() bool { return begun.Load() > 0 && begun.Load() == ended.Load() }) // what a start has to do
	before := begun.Load()
	s.Record("a", time.Now(), is([]byte("record")))
	waitFor(t, func() bool { return s.Stats().Queue.Rows == 1 })
	stop()
	if n := begun.Load(); n <= before || n != ended.Load() {
		t.Errorf("%d begun, %d before, %d ended", n, before, ended.Load())
	}
}
