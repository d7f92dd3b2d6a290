// Package heap sets how much memory the daemon's process takes: within the bound
// of its control group, collected neither too often nor too late, and given back
// when the start is over. What it sets is of the whole process.
package heap

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"nearside/agent/server"
	"nearside/local/sense"
)

// Of a bound on memory, what the garbage collector must not count on: stacks,
// SQLite and what the kernel holds for the process.
const (
	besidesHeap = 4 // one part in so many
	leastBeside = 16 << 20
)

// ample is more than the daemon needs: from there on the heap is collected as
// often as need be, also where there is no bound.
const ample = 128 << 20

// Bound has the garbage collector work harder before the control groups'
// bound is reached, where there is one and $GOMEMLIMIT does not say another. It
// returns what the heap may be, 0 for no bound.
func Bound(log *slog.Logger) (heap int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return bound()
	}
	limit, ok := sense.New(sense.Options{}).MemoryLimit()
	if !ok {
		debug.SetMemoryLimit(ample)
		return 0
	}
	heap = soft(limit)
	debug.SetMemoryLimit(min(heap, ample))
	log.Info("memory is bound by the control group", "bytes", limit, "heap", heap)
	return heap
}

// How large the heap may be before it is collected, however little of it is
// live. Asks that come one at a time are answered sooner from a small one, whose
// memory is still in the processor's caches when it is used again. Under a crowd
// that is collected twenty times a second, and its pages go to the kernel and
// back.
const (
	small = 8 << 20
	roomy = 20 << 20
	few   = 4 // asks at a time that are no crowd
)

// spare is how much a heap may grow beyond what is live, in percent, where much
// is: under a crowd, whose records wait for the disk. By default it is 100.
const spare = 50

// Pacer says how large the heap may be. Nil says nothing. Any goroutine may call
// its method.
type Pacer struct {
	asks func() int64

	mu      sync.Mutex // guards all below
	percent int        // that is set
	work    int        // pieces of work that want it roomy
}

// Pace has the heap collected when it is small, roomy while more than a few asks
// are under way, or when it is half as large again as what is live, if that is
// more. It looks after every collection, and stops when ctx ends. Where $GOGC is
// set, that counts, and the pacer is nil.
func Pace(ctx context.Context, asks func() int64) *Pacer {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	p := &Pacer{asks: asks, percent: 100}
	var after func(*[16]byte)
	after = func(mark *[16]byte) {
		if ctx.Err() != nil {
			debug.SetGCPercent(100)
			return
		}
		p.set(func() {})
		runtime.SetFinalizer(mark, after)
	}
	runtime.SetFinalizer(new([16]byte), after)
	return p
}

// Roomy has the heap be roomy until done is called, once: for work beside the asks
// that leaves much behind it, of which they would help to collect.
func (p *Pacer) Roomy() (done func()) {
	if p == nil {
		return func() {}
	}
	p.set(func() { p.work++ })
	return func() { p.set(func() { p.work-- }) }
}

// set makes a change, and then sets what follows from it. Setting stops the world
// for a moment: only for what makes a difference.
func (p *Pacer) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	live, asks := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}, p.asks()
	metrics.Read(live)
	if p.work > 0 {
		asks = max(asks, few+1)
	}
	if want := growth(live[0].Value.Uint64(), asks); want < p.percent || want > p.percent+p.percent/4 {
		p.percent = want
		debug.SetGCPercent(want)
	}
}

// growth is how much a heap of which so much is live may grow, in percent, while
// so many asks are under way.
func growth(live uint64, asks int64) int {
	room := uint64(small)
	if asks > few {
		room = roomy
	}
	live = max(live, roomy/8)
	return int(max(100*room/live, 100+spare) - 100)
}

// settled is how long after its start a daemon has what it needs when idle.
const settled = 2 * time.Second

// Settle gives back, once, the memory that only the start needed: most of it.
func Settle(ctx context.Context) error {
	select {
	case <-time.After(settled):
		debug.FreeOSMemory()
	case <-ctx.Done():
	}
	return nil
}

// bound is what the garbage collector keeps to, 0 for no bound.
func bound() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return 0
}

// soft is what of the bound is for the heap: most of it, half at least.
func soft(limit int64) int64 {
	return limit - min(max(limit/besidesHeap, leastBeside), limit/2)
}

// Bodies is how many bytes of large bodies fit into the heap at a time, each
// of which is held several times over; 0 is the server's default.
func Bodies(heap int64) int64 {
	if heap == 0 || heap/8 > server.MostBodies {
		return 0
	}
	return heap / 8
}
