package steer_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"nearside/cloud/steer"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// null is a subject that takes everything and costs nothing.
type null struct{}

func (null) Validate(context.Context, *seal.Payload) error { return nil }
func (null) Swap(context.Context, *seal.Payload) error     { return nil }
func (null) Figures() trial.Figures                        { return trial.Figures{} }

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Load() ([]byte, error)                  { return nil, nil }
func (nowhere) Second(context.Context) ([]byte, error) { return nil, nil }
func (nowhere) Save(context.Context, []byte) error     { return nil }

func light(root []byte, share func(string) string) steer.Options {
	return steer.Options{
		Device: seal.Device{Tenant: "acme", Channel: "stable", ID: "d", Agent: "1.4.0"}, Root: root, Keeper: nowhere{}, Subject: null{}, Share: share,
		Clock: func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Build: issued} },
	}
}

// large is about 16 KiB of policy.
func large(tb testing.TB, o office, version int64) []byte {
	return o.policy(tb, 0, version, strings.Repeat("rule: x\n", 2048))
}

// BenchmarkOffer: a new policy of 16 KiB with two signatures each time, from
// the envelope to the swap; validation, swap and disk cost nothing here.
func BenchmarkOffer(b *testing.B) {
	o := newOffice(b, 2)
	var all [][]byte
	for v := range 512 {
		all = append(all, large(b, o, int64(v+1)))
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var s *steer.Steer
	n := 0
	for b.Loop() {
		if n%len(all) == 0 {
			b.StopTimer()
			s = must[*steer.Steer](b)(steer.New(light(o.root(b, 0), nil)))
			go func(s *steer.Steer) { _ = s.Run(ctx) }(s)
			b.StartTimer()
		}
		if _, err := s.Offer(ctx, all[n%len(all)], "bench"); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkRepeated: an envelope that was refused comes again.
func BenchmarkRepeated(b *testing.B) {
	o := newOffice(b, 3)
	s := must[*steer.Steer](b)(steer.New(light(o.root(b, 0), nil)))
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() { _ = s.Run(ctx) }()
	e := o.policy(b, 0, 1, strings.Repeat("rule: x\n", 2048), func(p *seal.Payload) { p.Channel = "other" })
	for b.Loop() {
		if _, err := s.Offer(ctx, e, "bench"); err == nil {
			b.Fatal("taken")
		}
	}
}

// idle measures what one of 500 devices holds that took the same policy of
// 16 KiB and waits, its goroutine included.
func idle(tb testing.TB) (bytes, goroutines float64) {
	const n = 500
	o := newOffice(tb, 2)
	e, root := large(tb, o, 1), o.root(tb, 0)
	texts := map[string]string{}
	share := func(s string) string {
		if known, there := texts[s]; there {
			return known
		}
		texts[s] = s
		return s
	}
	used := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	before, running := used(), runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	all := make([]*steer.Steer, n)
	for i := range all {
		opt := light(root, share)
		opt.Device.ID = fmt.Sprint("d", i)
		all[i] = must[*steer.Steer](tb)(steer.New(opt))
		go func() { _ = all[i].Run(ctx) }()
		if _, err := all[i].Offer(ctx, e, "bench"); err != nil {
			tb.Fatal(err)
		}
	}
	after := used()
	runtime.KeepAlive(all)
	return (after - before) / n, float64(runtime.NumGoroutine()-running) / n
}

// TestIdleIsLight: two thousand devices fit in one process.
func TestIdleIsLight(t *testing.T) {
	bytes, goroutines := idle(t)
	t.Logf("%.0f bytes and %.2f goroutines each", bytes, goroutines)
	if bytes > 48<<10 || goroutines > 1.01 {
		t.Errorf("an idle steer holds %.0f bytes and %.2f goroutines", bytes, goroutines)
	}
}
