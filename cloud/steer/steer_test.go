package steer_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

func TestGoodIsConfirmed(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.is(t, "factory", "", 0)
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 7, "seven"))
		l.is(t, "probation", "seven", 7)
		time.Sleep(55 * time.Second)
		l.is(t, "confirmed", "seven", 7)
		if got := l.told(); got != "candidate confirmed" {
			t.Errorf("told %s", got)
		}
		if st := l.Status(); len(st.Signers) != 2 || st.RootVersion != 1 || st.Clock.State != seal.ClockTrusted || st.Floors["acme/stable/policy"].Version != 7 {
			t.Errorf("status %+v", st)
		}
	})
}

// TestHarmIsRolledBack: at an ask a second each harm is over within 55 s, told
// with evidence, and not taken again, also by the next process.
func TestHarmIsRolledBack(t *testing.T) {
	o := newOffice(t, 2)
	for body, evidence := range map[string]string{
		"bad denies all": "refusals", "bad target": "errors", "bad hangs": "slower", "bad is dear": "dearer", "bad is slow": "slower", "bad is poor": "poor",
	} {
		t.Run(body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &disk{}
				l := live(t, o, k)
				time.Sleep(time.Minute)
				l.takes(t, o.policy(t, 0, 1, "good"))
				time.Sleep(time.Minute)
				l.is(t, "confirmed", "good", 1)
				l.takes(t, o.policy(t, 0, 2, body))
				time.Sleep(55 * time.Second)
				l.is(t, "rolled_back", "good", 1)
				bad := l.Status().RolledBack
				if bad == nil || bad.Version != 2 || bad.Why != trial.Harm || !strings.Contains(strings.Join(bad.Evidence, "\n"), evidence) {
					t.Fatalf("rolled back: %+v", bad)
				}
				l.refuses(t, o.policy(t, 0, 2, body), trial.RolledBackBefore)
				l.end(t)
				l = live(t, o, k)
				defer l.end(t)
				l.is(t, "rolled_back", "good", 1)
				l.refuses(t, o.policy(t, 0, 2, body), trial.RolledBackBefore)
				l.refuses(t, o.policy(t, 0, 1, "good"), seal.OlderVersion)
				l.takes(t, o.policy(t, 0, 3, "better"))
			})
		})
	}
}

func TestRefused(t *testing.T) {
	o := newOffice(t, 3)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.takes(t, o.policy(t, 0, 5, "five"))
		time.Sleep(time.Minute)
		l.refuses(t, []byte("{"), seal.Malformed)
		l.refuses(t, make([]byte, 1<<20), seal.TooLarge)
		l.refuses(t, o.policy(t, 0, 4, "four"), seal.OlderVersion)
		l.refuses(t, o.policy(t, 0, 5, "other five"), seal.OtherDigest)
		l.refuses(t, o.policy(t, 1, 6, "six"), seal.TooFewSignatures)
		l.refuses(t, o.policy(t, 0, 6, "invalid"), trial.FailsOwnTests)
		l.refuses(t, o.policy(t, 0, 6, "six", func(p *seal.Payload) { p.Kind = seal.KindPrices }), seal.UnknownKind)
		l.refuses(t, o.policy(t, 0, 6, "stuck"), trial.NotApplied)
		l.refuses(t, o.command(t, 0, "c1", "status"), seal.WrongType)
		l.refuses(t, o.root(t, 0)[:100], seal.Malformed)
		st := l.Status()
		for _, reason := range []string{seal.Malformed, seal.TooLarge, seal.OlderVersion, seal.OtherDigest, trial.FailsOwnTests, trial.NotApplied} {
			if st.Counts.Refused[reason] == 0 {
				t.Errorf("%s was not counted: %v", reason, st.Counts.Refused)
			}
		}
		if st.LastRefusal == nil || st.LastRefusal.Reason != seal.Malformed {
			t.Errorf("last refusal %+v", st.LastRefusal)
		}
	})
}

func TestEqualIsNothing(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		defer l.end(t)
		e := o.policy(t, 0, 7, "seven")
		l.takes(t, e)
		synctest.Wait()
		saves, forced := k.count(), len(l.d.forced)
		for range 3 {
			if r, err := l.Offer(t.Context(), e, "again"); err != nil || !r.Again || r.Version != 7 {
				t.Errorf("again: %+v, %v", r, err)
			}
		}
		synctest.Wait()
		if k.count() != saves || len(l.d.forced) != forced {
			t.Errorf("%d saves and %d swaps for nothing", k.count()-saves, len(l.d.forced)-forced)
		}
	})
}

// TestNewerOnTrial: a newer one takes the place of the one on trial; what was
// good stays what one goes back to.
func TestNewerOnTrial(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 2, "two"))
		time.Sleep(5 * time.Second)
		l.refuses(t, o.policy(t, 0, 3, "invalid"), trial.FailsOwnTests)
		l.is(t, "probation", "two", 2)
		l.takes(t, o.policy(t, 0, 4, "bad four"))
		l.is(t, "probation", "bad four", 4)
		time.Sleep(55 * time.Second)
		l.is(t, "rolled_back", "one", 1)
		l.refuses(t, o.policy(t, 0, 2, "two"), seal.OlderVersion)
		if got := l.told(); !strings.HasSuffix(got, "replaced candidate rolled_back:harm refused:older_version") {
			t.Errorf("told %s", got)
		}
	})
}

func TestFewAsksWait(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.d.idle = true
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(240 * time.Hour)
		l.is(t, "probation", "one", 1)
		if k.count() > 20 {
			t.Errorf("%d saves in ten days in which nothing was asked", k.count())
		}
		l.end(t)
		l = live(t, o, k) // where asks come
		defer l.end(t)
		l.is(t, "probation", "one", 1)
		time.Sleep(time.Minute)
		l.is(t, "confirmed", "one", 1)
	})
}

func TestDiskFull(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		k := &disk{save: func(int, []byte) error {
			if full.Load() {
				return errNoSpace
			}
			return nil
		}}
		l := live(t, o, k)
		defer l.end(t)
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		full.Store(true)
		l.refuses(t, o.policy(t, 0, 2, "two"), trial.NotKept)
		l.is(t, "confirmed", "one", 1)
		if l.Status().Unsaved == "" || !strings.Contains(l.told(), news.Unsaved) {
			t.Errorf("unsaved is not told: %+v", l.Status())
		}
		full.Store(false)
		l.takes(t, o.policy(t, 0, 2, "bad two"))
		full.Store(true)
		time.Sleep(55 * time.Second)
		l.is(t, "rolled_back", "one", 1) // harm is worse than a record that is behind
		full.Store(false)
		time.Sleep(2 * time.Minute)
		if r := k.record(t); r.Trial != nil || r.Given(l.Status().RolledBack.Digest) == nil || l.Status().Unsaved != "" {
			t.Errorf("with space again the rollback was not saved: %+v", r)
		}
	})
}

// TestReset: by hand the device returns to its own policy, durably, and nothing
// old comes again unless floors are to be forgotten, and the keys of before
// with them.
func TestReset(t *testing.T) {
	o := newOffice(t, 3)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.root(t, 1))
		l.takes(t, o.policy(t, 1, 7, "seven"))
		l.takes(t, o.policy(t, 1, 3, "gate", gate))
		if st := l.Status(); st.Trial == nil || st.Trial.Version != 7 || st.Trial.Step != "probation" {
			t.Errorf("on trial: %+v", st.Trial)
		}
		if err := l.Reset(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.is(t, "factory", "", 0)
		if l.d.gate != "" {
			t.Errorf("the gate %q stays", l.d.gate)
		}
		l.refuses(t, o.policy(t, 1, 6, "six"), seal.OlderVersion)
		l.refuses(t, o.policy(t, 0, 9, "nine"), seal.TooFewSignatures)
		l.end(t)
		l = live(t, o, k)
		l.is(t, "factory", "", 0)
		l.takes(t, o.policy(t, 1, 7, "seven"))
		l.d.gate = "waits for its files" // who has them fetched is to hear of a reset, too
		if err := l.Reset(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.is(t, "factory", "", 0)
		if l.d.gate != "" {
			t.Errorf("the gate %q stays", l.d.gate)
		}
		l.takes(t, o.policy(t, 0, 1, "one"))
		l.end(t)
		if err := l.Reset(t.Context(), true); err != steer.ErrStopped {
			t.Errorf("after the end: %v", err)
		}
	})
}
