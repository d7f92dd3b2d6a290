package steer_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// TestFlood: many bad envelopes neither wear out the disk nor drown the events,
// nor delay the verdict on what is on trial.
func TestFlood(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		defer l.end(t)
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 1, "bad"))
		same := o.policy(t, 0, 9, "x")[:50]
		saves := k.count()
		for i := range 1000 {
			l.refuses2(t, same)
			l.refuses2(t, fmt.Appendf(nil, "{%d", i))
			time.Sleep(60 * time.Millisecond)
		}
		l.is(t, "rolled_back", "", 0)
		events := strings.Count(l.told(), "refused:malformed")
		if events < 16 || events > 24 || k.count()-saves > 20 {
			t.Errorf("2,000 bad envelopes in a minute: %d events, %d saves", events, k.count()-saves)
		}
		if n := l.Status().Counts.Refused[seal.Malformed]; n < 1000 || n > 1200 {
			t.Errorf("%d counted: each that differs, and the same one now and then", n)
		}
	})
}

func (l *life) refuses2(tb testing.TB, envelope []byte) {
	tb.Helper()
	if _, err := l.offer(envelope); seal.Reason(err) != seal.Malformed {
		tb.Fatalf("%v", err)
	}
}

func TestRepeated(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		defer l.end(t)
		for range 100 {
			l.refuses(t, o.policy(t, 0, 1, "invalid"), trial.FailsOwnTests)
		}
		time.Sleep(time.Hour)
		if got := l.told(); got != "refused:fails_own_tests" || k.count() > 5 {
			t.Errorf("told %s, %d saves", got, k.count())
		}
		if r := k.record(t); r.Refused == nil || r.Refused.Reason != trial.FailsOwnTests || r.Refused.Version != 1 || r.Next != nil {
			t.Errorf("the refusal is not in the record: %+v", r.Refused)
		}
	})
}

// TestAnew: what was refused for how the device was is taken when the device is
// another, and is not looked at again before.
func TestAnew(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		looks, fits := 0, false
		l.d.valid = func(context.Context, string) error {
			if looks++; fits {
				return nil
			}
			return &seal.Refusal{Reason: trial.Invalid}
		}
		envelope := o.policy(t, 0, 1, "one")
		l.refuses(t, envelope, trial.Invalid)
		l.refuses(t, envelope, trial.Invalid)
		fits = true
		l.refuses(t, envelope, trial.Invalid)
		l.Anew()
		l.takes(t, envelope)
		if looks != 2 {
			t.Errorf("looked at %d times, want 2", looks)
		}
	})
}

// TestBusy: a queue that is full refuses at once.
func TestBusy(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(ctx context.Context, _ string) error {
			select {
			case <-hang:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		answers := make(chan error, 100)
		for i := range 100 {
			envelope := o.policy(t, 0, int64(i+1), "v")
			go func() {
				_, err := l.offer(envelope)
				answers <- err
			}()
		}
		synctest.Wait()
		busy := 0
		for range len(answers) {
			if seal.Reason(<-answers) == trial.Busy {
				busy++
			}
		}
		if busy != 35 {
			t.Errorf("%d were refused as busy, want 35: one is looked at, 64 wait", busy)
		}
		close(hang)
		for range 65 {
			if err := <-answers; err != nil && seal.Reason(err) != seal.OlderVersion {
				t.Error(err)
			}
		}
	})
}

func TestLooksTooLong(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(ctx context.Context, body string) error {
			if body == "panics" {
				panic("out of range")
			}
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		l.refuses(t, o.policy(t, 0, 1, "hangs"), trial.Invalid)
		if d := time.Since(start); d > 25*time.Second {
			t.Errorf("after %v", d)
		}
		l.refuses(t, o.policy(t, 0, 1, "panics"), trial.Invalid)
	})
}
