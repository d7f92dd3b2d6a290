package helm

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHumbly: what is judged steps back behind answers, and nothing else does.
func TestHumbly(t *testing.T) {
	nice := func() int32 {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a.Nice
	}
	before, within := nice(), int32(0)
	humbly(func() { within = nice() })
	if after := nice(); within != max(lowly, before) || after != before {
		t.Errorf("nice is %d, within %d, and %d after it", before, within, after)
	}
	defer func() {
		if got := recover(); got != "a fault" {
			t.Errorf("got %v, want the panic", got)
		}
	}()
	humbly(func() { panic("a fault") })
}

// TestHumblyGetsOn: beside a thread that computes all the time on the same core, as
// an engine's do, the judging one has a fair part of it: collections of garbage
// wait for it, and answers for them.
func TestHumblyGetsOn(t *testing.T) {
	const work = 30 * time.Millisecond
	var took, over atomic.Int64
	began, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		here(t)
		close(began)
		for over.Load() == 0 {
			took.Store(int64(used(t)))
		}
	}()
	<-began
	var others time.Duration
	humbly(func() {
		here(t)
		before := took.Load()
		for start := used(t); used(t)-start < work; {
		}
		others = time.Duration(took.Load() - before)
	})
	over.Store(1)
	<-ended
	if others > 6*work {
		t.Errorf("%v of work took %v of the other thread's, more than six times as much", work, others)
	}
}

// here keeps the thread to the first core that the process may use.
func here(t *testing.T) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(unix.Getpid(), &all); err != nil {
		t.Error(err)
	}
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Error(err)
	}
}

// used is what the thread has had of a core so far.
func used(t *testing.T) time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		t.Error(err)
	}
	return time.Duration(at.Nano())
}
