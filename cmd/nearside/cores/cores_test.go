package cores_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cmd/nearside/cores"
)

// drive runs a gear in a bubble of its own, where a second takes no time. all is how
// many processors there are; those in use are as before when it ends.
func drive(t *testing.T, do func(g *cores.Gear, all int)) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	runtime.SetDefaultGOMAXPROCS()
	all := runtime.GOMAXPROCS(0)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		g, ended := cores.New(), make(chan error)
		go func() { ended <- g.Run(ctx) }()
		do(g, all)
		stop()
		if err := <-ended; err != nil || runtime.GOMAXPROCS(0) != all {
			t.Errorf("it ended with %v, on %d processors of %d", err, runtime.GOMAXPROCS(0), all)
		}
	})
}

// uses checks how many processors are in use once all is settled.
func uses(t *testing.T, want int, when string) {
	t.Helper()
	synctest.Wait()
	if got := runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%s: %d processors, want %d", when, got, want)
	}
}

func ask(g *cores.Gear, n int, inFlight int64) {
	for range n {
		g.Asked(inFlight)
	}
}

// TestGear: one processor for many asks that come one at a time, and all for
// anything else, at once where they are needed.
func TestGear(t *testing.T) {
	drive(t, func(g *cores.Gear, all int) {
		uses(t, all, "at the start")
		ask(g, 99, 1)
		uses(t, all, "few asks")
		ask(g, 1, 1)
		uses(t, 1, "many asks, one at a time")
		done := g.All()
		uses(t, all, "other work")
		again := g.All()
		done()
		uses(t, all, "more of it")
		again()
		uses(t, 1, "after it")
		ask(g, 1, 2)
		uses(t, all, "two at once")
		ask(g, 100, 1)
		uses(t, all, "soon after that")
		time.Sleep(time.Second)
		ask(g, 100, 1)
		uses(t, 1, "a second later")
		for range 5 {
			time.Sleep(900 * time.Millisecond)
			ask(g, 100, 1)
			uses(t, 1, "as long as they come quickly")
		}
		time.Sleep(900 * time.Millisecond)
		ask(g, 50, 1)
		time.Sleep(200 * time.Millisecond)
		uses(t, all, "they come slowly")
		time.Sleep(time.Hour)
		ask(g, 50, 1)
		uses(t, 1, "at the end")
	})
}

// TestGearKeepsOut: where the environment says how many, that counts.
func TestGearKeepsOut(t *testing.T) {
	t.Setenv("GOMAXPROCS", "2")
	g, before := cores.New(), runtime.GOMAXPROCS(0)
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(g, 100, 1)
	g.All()()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors, %d before", got, before)
	}
}

// TestGearProperty: whatever comes in whatever order, all processors are in use
// beside other work, from two asks at once on, and when nobody asks; and always one
// does again when enough come one at a time.
func TestGearProperty(t *testing.T) {
	for seed := range uint64(30) {
		drive(t, func(g *cores.Gear, all int) {
			r := rand.New(rand.NewPCG(seed, 1))
			var work []func()
			for range 60 {
				switch r.IntN(6) {
				case 0:
					work = append(work, g.All())
				case 1:
					if len(work) > 0 {
						work[0]()
						work = work[1:]
					}
				case 2:
					ask(g, 1, 2+r.Int64N(3))
					uses(t, all, "several at once")
				case 3:
					ask(g, r.IntN(250), 1)
				case 4:
					time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
				case 5:
					time.Sleep(1001 * time.Millisecond)
					uses(t, all, "nobody asks")
				}
				if len(work) > 0 {
					uses(t, all, "other work")
				}
			}
			for _, done := range work {
				done()
			}
			time.Sleep(2 * time.Second)
			ask(g, 200, 1)
			uses(t, 1, "in the end")
		})
	}
}

// TestGearAtOnce: from many goroutines, for the race detector.
func TestGearAtOnce(t *testing.T) {
	drive(t, func(g *cores.Gear, _ int) {
		var users sync.WaitGroup
		for range 4 {
			users.Go(func() {
				for i := range 50 {
					ask(g, 30, int64(1+i/40))
					done := g.All()
					time.Sleep(100 * time.Millisecond)
					done()
				}
			})
		}
		users.Wait()
	})
}
