package heap

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
)

// TestGrowth: a heap is collected at 8 MiB, under a crowd at 20 MiB, or at half as
// much again as is live.
func TestGrowth(t *testing.T) {
	f := func(asks int64, live, want uint64) {
		t.Helper()
		floor := max(live, roomy/8)
		got := floor + floor*uint64(growth(live, asks))/100
		if diff := int64(got) - int64(want); diff > int64(floor/50) || diff < -int64(floor/50) {
			t.Errorf("%d asks, %d live: collected at %d, want about %d", asks, live, got, want)
		}
	}
	for live, want := range map[uint64]uint64{0: small, 4 << 20: small, 5 << 20: small, 8 << 20: 12 << 20, 16 << 20: 24 << 20, 100 << 20: 150 << 20} {
		f(0, live, want)
		f(few, live, want)
	}
	for live, want := range map[uint64]uint64{0: roomy, 4 << 20: roomy, 8 << 20: roomy, 16 << 20: 24 << 20, 100 << 20: 150 << 20} {
		f(few+1, live, want)
	}
}

// TestPace: it follows what is live and how many ask, and leaves the default
// behind it.
func TestPace(t *testing.T) {
	t.Setenv("GOGC", "")
	percent := func() int {
		gogc := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(gogc)
		return int(gogc[0].Value.Uint64())
	}
	until := func(what string, ok func(int) bool) {
		t.Helper()
		for range 200 {
			runtime.GC() // each makes the finalizer run, on another goroutine
			if ok(percent()) {
				return
			}
		}
		t.Errorf("%s: still %d %%", what, percent())
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asks atomic.Int64
	pacer := Pace(ctx, asks.Load)
	alone := func(p int) bool { return p > 150 && p <= 220 }
	until("little is live", alone)
	asks.Store(few + 1)
	until("under a crowd", func(p int) bool { return p > 400 })
	asks.Store(1)
	until("after the crowd", alone)
	done := pacer.Roomy()
	if p := percent(); p <= 400 {
		t.Errorf("beside other work: %d %%", p)
	}
	done()
	if p := percent(); !alone(p) {
		t.Errorf("after the other work: %d %%", p)
	}
	ballast := make([]byte, 64<<20)
	until("much is live", func(p int) bool { return p == spare })
	runtime.KeepAlive(ballast)
	ballast = nil
	until("little again", alone)
	stop()
	until("after the end", func(p int) bool { return p == 100 })
}
