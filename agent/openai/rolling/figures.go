package rolling

import (
	"slices"
	"sync"
	"time"
)

// The rolling figures look back on this many calls; what went wrong counts for
// half a minute, so that a target that was left alone gets another chance.
const (
	window    = 64
	errorsFor = 30 * time.Second
)

// Figures are what the latest calls to one target were like. The zero value
// is ready; methods may be called from any goroutine.
type Figures struct {
	mu       sync.Mutex // guards all below
	calls    int64
	inFlight int
	moved    bool            // shown is of before the latest figures
	shown    Summary         // but for the calls; what it points to never changes
	sorted   []time.Duration // took, shortest first
	ended    endings
	tokens   perToken
	took     latest[time.Duration]
}

type ending struct {
	at     time.Time
	failed bool
}

// latest are the last values that were added, at most window of them.
type latest[T any] struct {
	all  []T // in a ring
	next int // place of the next value, and of the oldest when the ring is full
}

// add takes in a value, in the place of the oldest when there are many.
func (l *latest[T]) add(v T) (oldest T, out bool) {
	if len(l.all) < window {
		l.all = append(l.all, v)
		return oldest, false
	}
	oldest, l.all[l.next] = l.all[l.next], v
	l.next = (l.next + 1) % window
	return oldest, true
}

// back is the value that came so many before the latest.
func (l *latest[T]) back(i int) *T { return &l.all[(l.next+len(l.all)-1-i)%len(l.all)] }

// endings are the latest, and how many of those that still count failed.
type endings struct {
	latest[ending]
	count, failed int
}

func (e *endings) add(one ending) {
	if oldest, out := e.latest.add(one); out && e.count == window {
		e.uncount(oldest)
	}
	e.count++
	if one.failed {
		e.failed++
	}
}

func (e *endings) uncount(one ending) {
	e.count--
	if one.failed {
		e.failed--
	}
}

// age leaves out of the count what is too old for it, and tells whether
// anything was.
func (e *endings) age(now time.Time) (any bool) {
	for e.count > 0 {
		oldest := e.back(e.count - 1)
		if now.Sub(oldest.at) <= errorsFor {
			break
		}
		e.uncount(*oldest)
		any = true
	}
	return any
}

// breakLatest makes the latest good ending a failed one.
func (e *endings) breakLatest() {
	for i := range e.all {
		if one := e.back(i); !one.failed {
			one.failed = true
			if i < e.count {
				e.failed++
			}
			return
		}
	}
}

// Summary is a snapshot of [Figures]. Nil is not known yet.
type Summary struct {
	P50MS, P95MS  *float64 // milliseconds of good calls: to the first token, or the whole plain reply
	ErrorRate     *float64 // of the latest calls within half a minute, 0 to 1
	BytesPerToken *float64 // of prompts, as the target counts them, 1 to 8; from five on
	InFlight      int
	Calls         int64
}

// Begin counts a call that starts; Began and Done, or End, follow.
func (f *Figures) Begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.inFlight++
}

// End is Began and Done at once.
func (f *Figures) End(took time.Duration, failed, counts bool) {
	f.Began(took, failed, counts)
	f.Done()
}

// Done counts the same call as over.
func (f *Figures) Done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

// Began takes in how long the same call took until its reply began, or failed
// to. A call the caller gave up on says nothing of the target: counts is false.
func (f *Figures) Began(took time.Duration, failed, counts bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !counts {
		return
	}
	f.moved = true
	f.ended.add(ending{time.Now(), failed})
	if !failed {
		f.note(took)
	}
}

// note takes in a time, and keeps all of them sorted as it does.
func (f *Figures) note(took time.Duration) {
	i := len(f.sorted)
	if oldest, out := f.took.add(took); out {
		i, _ = slices.BinarySearch(f.sorted, oldest)
	} else {
		f.sorted = append(f.sorted, took)
	}
	for ; i > 0 && f.sorted[i-1] > took; i-- {
		f.sorted[i] = f.sorted[i-1]
	}
	for ; i+1 < len(f.sorted) && f.sorted[i+1] < took; i++ {
		f.sorted[i] = f.sorted[i+1]
	}
	f.sorted[i] = took
}

// Summary gives the figures as they are now.
func (f *Figures) Summary() Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended.count > 0 && f.ended.age(time.Now()) || f.moved {
		f.show()
	}
	s := f.shown
	s.InFlight, s.Calls = f.inFlight, f.calls
	return s
}

// show makes the summary anew: its figures are one piece of memory.
func (f *Figures) show() {
	var made struct{ p50, p95, errors, perToken float64 }
	known := &made
	f.shown, f.moved = Summary{}, false
	if n := len(f.sorted); n > 0 {
		known.p50, known.p95 = millis(f.sorted[n/2]), millis(f.p95())
		f.shown.P50MS, f.shown.P95MS = &known.p50, &known.p95
	}
	if f.ended.count > 0 {
		known.errors = float64(f.ended.failed) / float64(f.ended.count)
		f.shown.ErrorRate = &known.errors
	}
	if mean, ok := f.tokens.figure(); ok {
		known.perToken = mean
		f.shown.BytesPerToken = &known.perToken
	}
}

// millis is in milliseconds, to the microsecond.
func millis(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// P95 is the time within which 19 of 20 good calls ended, and whether there
// was any.
func (f *Figures) P95() (d time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sorted) == 0 {
		return 0, false
	}
	return f.p95(), true
}

func (f *Figures) p95() time.Duration {
	n := len(f.sorted)
	return f.sorted[min(n-1, n*95/100)]
}

// Broke turns the latest good ending into a failed one: what had begun well
// broke off.
func (f *Figures) Broke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = true
	f.ended.breakLatest()
}
