package steer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// TestCrashes: a policy that ends the process is given up after three boots,
// also one that does so while it is validated.
func TestCrashes(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "deadly"))
		dead := func() { // what the process still does is on no disk
			k.on(func(int, []byte) error { return errCut })
			l.end(t)
			k.on(nil)
		}
		for i := range 3 {
			if got := l.Status().State; got != "probation" && got != "candidate" {
				t.Fatalf("given up after %d boots: %s", i, got)
			}
			dead()
			l = live(t, o, k)
		}
		l.is(t, "rolled_back", "", 0)
		if bad := l.Status().RolledBack; bad == nil || bad.Why != trial.Crashes {
			t.Errorf("%+v", bad)
		}
		hang := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		l.d.valid = hang
		go func() { _, _ = l.offer(o.policy(t, 0, 2, "deadly too")) }()
		synctest.Wait()
		for range 3 {
			if l.Status().Candidate == "" {
				t.Fatal("it was given up too early")
			}
			dead()
			l = live(t, o, k, func(opt *steer.Options) { opt.Subject.(*device).valid = hang })
		}
		synctest.Wait()
		if st := l.Status(); st.Candidate != "" || st.RolledBack.Version != 2 {
			t.Errorf("after 3 boots: %+v", st)
		}
		l.refuses(t, o.policy(t, 0, 2, "deadly too"), trial.RolledBackBefore)
		l.end(t)
	})
}

// TestBootOnAFullDisk: where a boot cannot be counted, nothing is tried.
func TestBootOnAFullDisk(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 2, "two"))
		l.end(t)
		k.on(func(int, []byte) error { return errNoSpace })
		l = live(t, o, k)
		defer l.end(t)
		synctest.Wait()
		if l.d.inForce() != "one" {
			t.Errorf("in force is %q", l.d.inForce())
		}
		k.on(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if l.d.inForce() != "two" {
			t.Errorf("with space again in force is %q", l.d.inForce())
		}
		time.Sleep(time.Minute)
		l.is(t, "confirmed", "two", 2)
	})
}

// TestBootOnASlowDisk: the first ask does not wait for a boot to be counted. What
// is being tried does, also where that never ends well.
func TestBootOnASlowDisk(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 2, "two"))
		for _, tt := range []struct {
			lasts       time.Duration
			ends        error
			first, then string
		}{{0, nil, "two", "two"}, {300 * time.Millisecond, nil, "one", "two"}, {300 * time.Millisecond, errCut, "one", "one"}, {300 * time.Millisecond, nil, "one", "two"}} {
			l.end(t)
			k.on(func(int, []byte) error { return tt.ends })
			start := time.Now()
			l = live(t, o, slow{k, tt.lasts})
			if took := time.Since(start); took > 10*time.Millisecond || l.d.inForce() != tt.first {
				t.Errorf("%v: the first ask after %v is answered by %q, want %q at once", tt, took, l.d.inForce(), tt.first)
			}
			if st := l.Status(); st.Trial == nil {
				t.Errorf("%v: nothing is on trial: %+v", tt, st)
			}
			time.Sleep(400 * time.Millisecond)
			synctest.Wait()
			if l.d.inForce() != tt.then {
				t.Errorf("%v: in force is %q, want %q", tt, l.d.inForce(), tt.then)
			}
			k.on(nil)
		}
		time.Sleep(time.Minute)
		l.is(t, "confirmed", "two", 2)
		l.end(t)
	})
}

// slow is a disk that takes its time.
type slow struct {
	*disk
	lasts time.Duration
}

func (s slow) Save(ctx context.Context, b []byte) error {
	time.Sleep(s.lasts)
	return s.disk.Save(ctx, b)
}

// TestUnusable: a confirmed policy that another version of the program cannot
// put in force is no reason not to answer.
func TestUnusable(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.end(t)
		l = live(t, o, k, func(opt *steer.Options) { opt.Subject = picky{opt.Subject.(*device)} })
		defer l.end(t)
		if st := l.Status(); st.Version != 0 || st.Fault == "" || l.told() != news.Unusable {
			t.Errorf("version %d, fault %q, told %s", st.Version, st.Fault, l.told())
		}
		l.takes(t, o.policy(t, 0, 2, "two"))
		if st := l.Status(); st.Version != 2 || st.Fault != "" {
			t.Errorf("version %d, fault %q", st.Version, st.Fault)
		}
	})
}

type picky struct{ *device }

func (p picky) Swap(ctx context.Context, d *seal.Payload) error {
	if d != nil && d.Body == "one" {
		return errors.New("unknown field")
	}
	return p.device.Swap(ctx, d)
}

// TestWaitsForTheOtherCopy: nothing new is taken while the other copy of the
// record may still say that it is old.
func TestWaitsForTheOtherCopy(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 5, "five"))
		time.Sleep(time.Minute)
		l.end(t)
		k.first, k.late = nil, make(chan struct{})
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "factory", "", 0)
		got := make(chan error, 1)
		go func() {
			_, err := l.offer(o.policy(t, 0, 4, "four"))
			got <- err
		}()
		time.Sleep(10 * time.Second)
		l.is(t, "factory", "", 0)
		close(k.late)
		if err := <-got; seal.Reason(err) != seal.OlderVersion {
			t.Errorf("with the other copy there: %v", err)
		}
		l.is(t, "confirmed", "five", 5)
		if !strings.HasPrefix(l.told(), news.Floor) {
			t.Errorf("told %s", l.told())
		}
	})
}

func TestStopped(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.d.valid = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		got := make(chan error, 1)
		go func() {
			_, err := l.offer(o.policy(t, 0, 1, "one"))
			got <- err
		}()
		synctest.Wait()
		l.end(t)
		if err := <-got; !errors.Is(err, steer.ErrStopped) {
			t.Errorf("offered: %v", err)
		}
		if _, err := l.offer(o.policy(t, 0, 1, "one")); !errors.Is(err, steer.ErrStopped) {
			t.Errorf("offered later: %v", err)
		}
		l = live(t, o, k) // goes on with what was being validated
		defer l.end(t)
		l.is(t, "probation", "one", 1)
	})
}

// TestUnsettledBoots: boots that end before the other copy was read do not make
// the copy that lacks everything the newer one.
func TestUnsettledBoots(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 5, "five"))
		time.Sleep(time.Minute)
		l.end(t)
		k.first, k.late = nil, make(chan struct{})
		for range 40 {
			l = live(t, o, k)
			synctest.Wait()
			l.end(t)
		}
		close(k.late)
		l = live(t, o, k)
		defer l.end(t)
		synctest.Wait()
		l.refuses(t, o.policy(t, 0, 4, "four"), seal.OlderVersion)
		l.is(t, "confirmed", "five", 5)
	})
}

// TestResetMeanwhile: a device that is reset while it looks at a document does
// not take it.
func TestResetMeanwhile(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		on := make(chan struct{})
		l.d.valid = func(context.Context, string) error { <-on; return nil }
		got := make(chan error, 1)
		go func() {
			_, err := l.offer(o.policy(t, 0, 1, "one"))
			got <- err
		}()
		synctest.Wait()
		if err := l.Reset(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		close(on)
		if err := <-got; seal.Reason(err) != trial.Busy {
			t.Errorf("offered: %v", err)
		}
		l.is(t, "factory", "", 0)
		l.takes(t, o.policy(t, 0, 1, "one"))
	})
}

// TestPanics: what panics while it is put in force is given up like what fails,
// and ends no process.
func TestPanics(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.refuses(t, o.policy(t, 0, 2, "panics"), trial.NotApplied)
		l.is(t, "rolled_back", "one", 1)
		l.refuses(t, o.policy(t, 0, 1, "panics", gate), trial.NotApplied)
		if l.d.gate != "" {
			t.Errorf("the gate %q stays", l.d.gate)
		}
		l.takes(t, o.policy(t, 0, 2, "good gate", gate))
		l.refuses(t, o.policy(t, 0, 3, "panics again", gate), trial.NotApplied)
		if l.d.gate != "good gate" {
			t.Errorf("the gate is %q", l.d.gate)
		}
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "rolled_back", "one", 1)
		if l.d.gate != "good gate" {
			t.Errorf("after a boot the gate is %q", l.d.gate)
		}
	})
}

// TestNotJudged: that the device could not look at a document says nothing of
// it: the same bytes are looked at again.
func TestNotJudged(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(context.Context, string) error { return errors.New("the database is busy") }
		one := o.policy(t, 0, 1, "one")
		l.refuses(t, one, trial.NotJudged)
		l.d.valid = func(context.Context, string) error { return &seal.Refusal{Reason: trial.AnswersNothing} }
		l.refuses(t, one, trial.AnswersNothing)
		l.d.valid = nil
		l.takes(t, one)
	})
}
