package stages_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/cloud/fleet/stages"
)

func started() stages.Rollout {
	return stages.Rollout{
		ID: "v7", Kind: "policy", Version: 7, Digest: digest, Envelope: "{}", Salt: "s", State: stages.Running, Rev: 1, By: "a",
		Stages: []stages.Stage{{Rings: []string{"canary"}, Share: 100}, {Rings: []string{"all"}, Share: 100}},
		Limits: stages.Limits{AbortShare: .05, AbortMin: 3, TimeoutMS: 60_000, SoakMS: 1, Until: stages.UntilConfirmed}, Since: begin, Started: begin,
	}
}

// TestFateOfKinds: a device that has a document of another kind has it, though what it said last
// was of something else.
func TestFateOfKinds(t *testing.T) {
	r := started()
	r.Kind = "prices"
	f := func(d stages.Device, want string) {
		t.Helper()
		d.ID, d.Online = "a", true
		if got, _ := r.Fate(&d, begin); got != want {
			t.Errorf("%+v is %s, want %s", d, got, want)
		}
	}
	f(stages.Device{Version: 7, Digest: digest, Result: stages.Result{Digest: "other", OK: true}}, stages.Good)
	f(stages.Device{Result: stages.Result{Digest: digest, OK: true}}, stages.Good)
	f(stages.Device{Version: 6, Digest: "other", Result: stages.Result{Digest: "other", OK: true}}, stages.Waiting)
	f(stages.Device{Version: 6, Digest: "other", Result: stages.Result{Digest: digest, Reason: "invalid"}}, stages.Failed)
}

// TestFate: what counts as good, failed, late and skipped.
func TestFate(t *testing.T) {
	ours := stages.Result{Digest: digest}
	f := func(d stages.Device, after time.Duration, want string) {
		t.Helper()
		r := started()
		if got, _ := r.Fate(&d, begin.Add(after)); got != want {
			t.Errorf("%+v after %s: got %s, want %s", d, after, got, want)
		}
	}
	refused := func(reason string) stages.Result { return stages.Result{Digest: digest, Reason: reason} }
	f(stages.Device{Online: true}, 0, stages.Waiting)
	f(stages.Device{Online: true}, 2*time.Minute, stages.Late)
	f(stages.Device{Online: true, Changed: begin.Add(90 * time.Second)}, 2*time.Minute, stages.Waiting) // came back just now
	f(stages.Device{}, 2*time.Minute, stages.Offline)
	f(stages.Device{Changed: begin.Add(time.Second)}, 2*time.Minute, stages.Gone)
	f(stages.Device{Online: true, Digest: digest, State: "confirmed"}, 2*time.Minute, stages.Good)
	f(stages.Device{Digest: digest, State: "confirmed"}, 2*time.Minute, stages.Good) // offline, but it has it
	f(stages.Device{Online: true, Digest: digest, State: "probation", Result: stages.Result{Digest: digest, OK: true}}, 0, stages.Waiting)
	f(stages.Device{Online: true, Digest: digest, State: "probation"}, 2*time.Minute, stages.Late)
	f(stages.Device{Online: true, Digest: digest, State: "confirmed", Result: refused("rolled_back")}, 0, stages.Failed)
	f(stages.Device{Online: true, Result: ours}, 0, stages.Failed)
	f(stages.Device{Online: true, Result: refused("bad_signature")}, 0, stages.Failed)
	f(stages.Device{Result: refused("bad_signature")}, 0, stages.Failed) // it said so, and left
	f(stages.Device{Online: true, Result: refused("not_in_share")}, 2*time.Minute, stages.Skipped)
	f(stages.Device{Online: true, Result: refused("other_audience")}, 2*time.Minute, stages.Skipped)
	f(stages.Device{Online: true, Version: 8}, 2*time.Minute, stages.Skipped)
	f(stages.Device{Online: true, Result: stages.Result{Digest: strings.Repeat("0", 64)}}, 0, stages.Waiting) // of another document
}

// TestUntilApplied: probation is enough where that is asked for, and for other
// kinds it is that they were taken.
func TestUntilApplied(t *testing.T) {
	r := started()
	r.Limits.Until = stages.UntilApplied
	d := stages.Device{Online: true, Digest: digest, State: "probation"}
	if fate, _ := r.Fate(&d, begin); fate != stages.Good {
		t.Errorf("got %s, want good", fate)
	}
	r.Kind = "prices"
	d = stages.Device{Online: true, Result: stages.Result{Digest: digest, OK: true}}
	if fate, _ := r.Fate(&d, begin); fate != stages.Good {
		t.Errorf("prices: got %s, want good", fate)
	}
}

// fleet is n devices of a ring, the first bad of them having refused, the next
// waiting still, the rest good.
func fleet(n, bad, waiting int) stages.Fleet {
	f := stages.Fleet{Now: begin.Add(time.Second), Rings: map[string]stages.Held{"canary": {Ours: true, Version: 7}}}
	for i := range n {
		d := stages.Device{ID: fmt.Sprint("d", i), Ring: "canary", Online: true, Digest: digest, State: "confirmed", Version: 7}
		switch {
		case i < bad:
			d = stages.Device{ID: d.ID, Ring: "canary", Online: true, Result: stages.Result{Digest: digest, Reason: "invalid"}}
		case i < bad+waiting:
			d = stages.Device{ID: d.ID, Ring: "canary", Online: true}
		}
		f.Devices = append(f.Devices, d)
	}
	return f
}

// TestLimits: from how many failures of how many devices a rollout aborts.
func TestLimits(t *testing.T) {
	f := func(n, bad, waiting int, want string) {
		t.Helper()
		got, _ := started().Next(fleet(n, bad, waiting))
		if got.State != want {
			t.Errorf("%d failed and %d waited for of %d: got %s (%s), want %s", bad, waiting, n, got.State, got.Why, want)
		}
	}
	f(100, 0, 0, stages.Running)
	f(100, 5, 0, stages.Running)  // 5 % is not above 5 %
	f(100, 6, 0, stages.Aborting) // above the share
	f(100, 6, 94, stages.Aborting)
	f(1000, 6, 994, stages.Running) // the others may still be well
	f(10, 2, 0, stages.Running)     // fewer than three
	f(4, 2, 0, stages.Aborting)     // half
	f(4, 2, 2, stages.Running)      // half, as yet
	f(1, 1, 0, stages.Aborting)     // the only one
}

// TestNewer: a ring that was given something newer, or the same version with
// other bytes, is not overwritten; the rollout ends.
func TestNewer(t *testing.T) {
	for version, want := range map[int64]string{6: stages.Running, 7: stages.Aborted, 8: stages.Aborted} {
		r, actions := started().Next(stages.Fleet{Now: begin, Rings: map[string]stages.Held{"all": {Version: version}}})
		for _, a := range actions {
			if want == stages.Aborted {
				t.Errorf("version %d at the ring: %v", version, a)
			}
		}
		if r.State != want {
			t.Errorf("version %d at the ring: got %s, want %s", version, r.State, want)
		}
	}
}

// TestOrders: an order is obeyed once, by whoever is there, and what it cannot
// do it does not.
func TestOrders(t *testing.T) {
	order := func(r stages.Rollout, id, do string) stages.Rollout {
		f := fleet(4, 0, 4)
		f.Order = &stages.Order{ID: id, Do: do, By: "eve"}
		r, _ = r.Next(f)
		return r
	}
	r := order(started(), "1", stages.Pause)
	if r.State != stages.Paused || r.Why != "paused by eve" || r.Rev != 2 {
		t.Errorf("paused: %+v", r)
	}
	if again := order(r, "1", stages.Pause); again.Rev != r.Rev {
		t.Errorf("the same order again: rev %d, want %d", again.Rev, r.Rev)
	}
	if r = order(r, "2", stages.Resume); r.State != stages.Running || r.Why != "" {
		t.Errorf("resumed: %+v", r)
	}
	if r = order(r, "3", stages.Resume); r.State != stages.Running {
		t.Errorf("resumed twice: %+v", r)
	}
	if r = order(r, "4", stages.Abort); r.State != stages.Aborting {
		t.Errorf("aborted: %+v", r)
	}
	if r = order(r, "5", stages.Resume); r.State != stages.Aborting {
		t.Errorf("resumed after an abort: %+v", r)
	}
}

// TestGoneHolds: a stage whose devices went away without a word is not passed.
func TestGoneHolds(t *testing.T) {
	f := fleet(4, 0, 0)
	for i := range 2 {
		f.Devices[i] = stages.Device{ID: f.Devices[i].ID, Ring: "canary", Changed: begin.Add(time.Millisecond)}
	}
	r := started()
	for range 5 {
		r, _ = r.Next(f)
		f.Now = f.Now.Add(time.Hour)
	}
	if r.Stage != 0 || r.State != stages.Running {
		t.Errorf("got stage %d, %s; two of four are gone", r.Stage, r.State)
	}
}

// TestPlan: shares go through all rings at once, rings without shares one by one.
func TestPlan(t *testing.T) {
	f := func(rings []string, shares []float64, want string) {
		t.Helper()
		plan, err := stages.Plan(rings, shares)
		got := fmt.Sprint(plan)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%v %v: got %s, want %s", rings, shares, got, want)
		}
	}
	f([]string{"a"}, nil, "[{[a] 100}]")
	f([]string{"a", "b"}, nil, "[{[a] 100} {[b] 100}]")
	f([]string{"a", "b"}, []float64{1, 100}, "[{[a b] 1} {[a b] 100}]")
	f(nil, nil, "at least one ring")
	f([]string{"a", "a"}, nil, "twice")
	f([]string{"a"}, []float64{10, 1, 100}, "must rise")
	f([]string{"a"}, []float64{1, 10}, "must be 100")
	f([]string{"a"}, []float64{0, 100}, "must rise")
	f([]string{"a"}, []float64{1, 200}, "must rise")
}

// TestNewerRecord: of two records one holds, whichever came first.
func TestNewerRecord(t *testing.T) {
	a, b := started(), started()
	b.By = "b"
	if stages.Newer(&a, &b) == stages.Newer(&b, &a) {
		t.Error("neither or both of two records hold")
	}
	a.Rev = 2
	if !stages.Newer(&a, &b) {
		t.Error("the higher revision does not hold")
	}
}

// TestParse: a record is read as it was written, and bounds name the field.
func TestParse(t *testing.T) {
	r := started()
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stages.Parse(text); err != nil {
		t.Error(err)
	}
	f := func(old, new, want string) {
		t.Helper()
		b := strings.Replace(string(text), old, new, 1)
		if b == string(text) {
			t.Fatalf("%s is not in %s", old, text)
		}
		if _, err := stages.Parse([]byte(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", new, err, want)
		}
	}
	f(`"version":7`, `"version":0`, "version")
	f(`"stage":0`, `"stage":2`, "stage is 2")
	f(`"stage":0`, `"stage":-1`, "stage is -1")
	f(`"share":100`, `"share":0`, "share")
	f(`"canary"`, `"can/ary"`, "rings")
	f(`"state":"running"`, `"state":"flying"`, "state")
	f(`"abort_min":3`, `"abort_min":0`, "abort_min")
	f(`"rev":1`, `"rev":0`, "rev")
	f(`"id":"v7"`, `"id":"v7","more":1`, "more")
	f(`"by":"a"`, `"by":"\u001b[2J"`, "printed")
	f(digest, "abc", "digest")
	f(`"until":"confirmed"`, `"until":"x"`, "until")
	if _, err := stages.Parse(append(text, '{')); err == nil {
		t.Error("bytes behind the record are read over")
	}
	if _, err := stages.ParseOrder([]byte(`{"id":"1","do":"stop","by":"a"}`)); err == nil || !strings.Contains(err.Error(), "do is") {
		t.Errorf("an order to stop: %v", err)
	}
}

// FuzzParse: no bytes make Parse panic, and what passes can be taken a step on.
func FuzzParse(f *testing.F) {
	r := started()
	text, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"id":"a","do":"pause","by":"b","at":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := stages.ParseOrder(b); err == nil && o.ID == "" {
			t.Error("an order without an id passes")
		}
		r, err := stages.Parse(b)
		if err != nil {
			return
		}
		next, _ := r.Next(fleet(10, 3, 3))
		if _, err := next.Encode(); err != nil && len(b) < 10_000 {
			text, _ := json.Marshal(next)
			t.Errorf("a step on makes a record that cannot be read: %v\n%s", err, text)
		}
	})
}

// BenchmarkNext is one look at ten thousand devices in the last of three stages.
func BenchmarkNext(b *testing.B) {
	r := started()
	r.Stages = []stages.Stage{{Rings: []string{"canary"}, Share: 1}, {Rings: []string{"canary"}, Share: 10}, {Rings: []string{"canary"}, Share: 100}}
	r.Stage = 2
	f := fleet(10_000, 0, 5_000)
	for b.Loop() {
		r.Next(f)
	}
}
