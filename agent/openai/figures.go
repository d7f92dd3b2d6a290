package openai

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
	took     latest[time.Duration]
	sorted   []time.Duration // took, shortest first
	ended    latest[ending]
	tokens   perToken
	calls    int64
	inFlight int
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

// backward goes through the values, the latest first.
func (l *latest[T]) backward(yield func(*T) bool) {
	for i := range l.all {
		if !yield(&l.all[(l.next+len(l.all)-1-i)%len(l.all)]) {
			return
		}
	}
}

// Summary is a snapshot of [Figures]. Nil is not known yet.
type Summary struct {
	P50, P95  *time.Duration // of good calls: to the first token, or the whole plain reply
	ErrorRate *float64       // of the latest calls within half a minute, 0 to 1
	InFlight  int
	Calls     int64

	BytesPerToken *float64 // of prompts, as the target counts them, 1 to 8; from five on
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
	f.ended.add(ending{time.Now(), failed})
	if !failed {
		f.note(took)
	}
}

// note takes in a time, and keeps all of them sorted as it does.
func (f *Figures) note(took time.Duration) {
	if oldest, out := f.took.add(took); out {
		i, _ := slices.BinarySearch(f.sorted, oldest)
		f.sorted = slices.Delete(f.sorted, i, i+1)
	}
	i, _ := slices.BinarySearch(f.sorted, took)
	f.sorted = slices.Insert(f.sorted, i, took)
}

// Summary gives the figures as they are now.
func (f *Figures) Summary() Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Summary{InFlight: f.inFlight, Calls: f.calls, ErrorRate: f.errorRate(time.Now()), BytesPerToken: f.tokens.figure()}
	if n := len(f.sorted); n > 0 {
		p50, p95 := f.sorted[n/2], f.p95()
		s.P50, s.P95 = &p50, &p95
	}
	return s
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

func (f *Figures) errorRate(now time.Time) *float64 {
	bad, all := 0, 0
	for _, e := range f.ended.all {
		if now.Sub(e.at) > errorsFor {
			continue
		}
		all++
		if e.failed {
			bad++
		}
	}
	if all == 0 {
		return nil
	}
	rate := float64(bad) / float64(all)
	return &rate
}

// Broke turns the latest good ending into a failed one: what had begun well
// broke off.
func (f *Figures) Broke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.ended.backward {
		if !e.failed {
			e.failed = true
			return
		}
	}
}
