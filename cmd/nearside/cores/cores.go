// Package cores sets how many processors the process runs on: one while asks come
// one at a time and quickly, all there are at any other time. With more than one the
// Go runtime wakes a thread on an idle processor for nearly each hand-over between
// goroutines, and the first would have done both sooner: a third of all switches of
// an ask that is alone. It also has the runtime's monitor look round less often, see
// slack.go. What it sets is of the whole process.
package cores

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// So many asks in a row, each alone, make one processor do, and so many more keep it
// so for another calm. After its end it is not tried again for a calm, since each
// change stops all goroutines for some 50 µs.
const (
	enough = 100
	calm   = time.Second
)

// Gear is how many processors are in use: all, until Run finds that one does. Make
// it with New. Its methods may be called from any goroutine.
type Gear struct {
	row  atomic.Int64  // asks that were alone, since two were in flight
	news chan struct{} // tells of each enough of them, and of their end

	mu   sync.Mutex // guards all below, and how many processors are in use
	lone bool       // asks come one at a time
	work int        // pieces of other work under way
	one  bool       // one processor is in use
}

// New is a gear with all processors in use.
func New() *Gear { return &Gear{news: make(chan struct{}, 1)} }

// Asked is told of each ask that comes, how many are in flight with it. It never
// waits.
func (g *Gear) Asked(inFlight int64) {
	told := false
	if inFlight < 2 {
		told = g.row.Add(1)%enough == 0
	} else if g.row.Load() > 0 { // else many at once would all write to it
		told = g.row.Swap(0) >= enough
	}
	if !told {
		return
	}
	select {
	case g.news <- struct{}{}:
	default: // it has been told already
	}
}

// All has all processors in use until done is called: for work beside the asks that
// takes more than some 100 µs, as they would wait for it. Done is to be called once.
func (g *Gear) All() (done func()) {
	g.set(func() { g.work++ })
	return func() { g.set(func() { g.work-- }) }
}

// Run changes gears until ctx ends, and leaves all processors in use. Where
// $GOMAXPROCS is set, that counts and nothing changes.
func (g *Gear) Run(ctx context.Context) error {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	end := time.NewTimer(calm)
	defer end.Stop()
	var ended time.Time
	for lone := false; ; {
		was := lone
		select {
		case <-g.news:
			lone = g.row.Load() >= enough && (lone || time.Since(ended) >= calm)
			end.Reset(calm)
		case <-end.C:
			lone = false
		case <-ctx.Done():
			g.set(func() { g.lone = false })
			return nil
		}
		if was && !lone {
			ended = time.Now()
		}
		g.set(func() { g.lone = lone })
	}
}

// set makes a change, and then has as many processors in use as it asks for.
func (g *Gear) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	one := g.lone && g.work == 0
	if one == g.one || one && runtime.GOMAXPROCS(0) == 1 {
		return
	}
	if g.one = one; one {
		runtime.GOMAXPROCS(1)
		return
	}
	runtime.SetDefaultGOMAXPROCS() // and the runtime follows the control group again
}
