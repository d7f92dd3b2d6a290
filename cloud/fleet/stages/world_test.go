package stages_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/cloud/fleet/stages"
	"nearside/policy/seal"
)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

var begin = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)

// world is a broker and its devices, one second a step. How a device takes the
// candidate is in its behaviour: good, refuses, silent, dies, newer.
type world struct {
	now     time.Time
	record  stages.Rollout
	order   *stages.Order
	rings   map[string]stages.Held
	devices []stages.Device
	acts    []string
	offered map[string]bool // devices that the candidate reached, ever
}

func newWorld(t *rapid.T, plan []stages.Stage, behaviours []string) *world {
	w := &world{now: begin, rings: map[string]stages.Held{}, offered: map[string]bool{}}
	w.record = stages.Rollout{
		ID: "v7", Kind: "policy", Version: 7, Digest: digest, Envelope: "{}", Stages: plan, Salt: "s", State: stages.Running,
		Limits:  stages.Limits{AbortShare: .05, AbortMin: 3, TimeoutMS: 20_000, SoakMS: 5_000, Until: stages.UntilConfirmed},
		Started: begin, Since: begin, Rev: 1, By: "a",
	}
	rings := w.record.Rings()
	for i := range rapid.IntRange(1, 60).Draw(t, "devices") {
		ring := rings[0] // has somebody: nobody can tell how an empty one fares
		if i > 0 {
			ring = rapid.SampledFrom(rings).Draw(t, "ring")
		}
		w.devices = append(w.devices, stages.Device{ID: fmt.Sprint("dev-", i), Ring: ring, Online: true, Version: 6})
		w.acts = append(w.acts, rapid.SampledFrom(behaviours).Draw(t, "behaviour"))
	}
	return w
}

func (w *world) fleet() stages.Fleet {
	return stages.Fleet{Now: w.now, Devices: w.devices, Rings: w.rings, Order: w.order}
}

// do carries out one action at the broker.
func (w *world) do(a stages.Action) {
	held := stages.Held{}
	if a.Do == stages.Publish {
		held = stages.Held{Ours: true, Version: w.record.Version}
	}
	if a.Device == "" {
		w.rings[a.Ring] = held
		return
	}
	for i := range w.devices {
		if w.devices[i].ID == a.Device {
			w.devices[i].Held = held
		}
	}
}

// live lets a second pass: devices that see the candidate do what they do.
func (w *world) live() {
	w.now = w.now.Add(time.Second)
	for i := range w.devices {
		d := &w.devices[i]
		if !d.Online || !d.Held.Ours && !w.rings[d.Ring].Ours {
			continue
		}
		w.offered[d.ID] = true
		switch w.acts[i] {
		case "good":
			d.State = "confirmed"
			if d.Digest != digest {
				d.State = "probation"
			}
			d.Version, d.Digest, d.Result = 7, digest, stages.Result{Digest: digest, OK: true}
		case "refuses":
			d.Result = stages.Result{Digest: digest, Reason: "harmful_replay"}
		case "dies":
			d.Online, d.Changed = false, w.now
		}
	}
}

// step is one look of an operator's process; some of what it does may be lost,
// as when it is killed there.
func (w *world) step(t *rapid.T, lose bool) {
	before := w.record
	next, actions := before.Next(w.fleet())
	w.check(t, &before, &next, actions)
	if lose && rapid.Bool().Draw(t, "killed before the record") {
		return
	}
	w.record = next
	n := len(actions)
	if lose {
		n = rapid.IntRange(0, n).Draw(t, "done")
	}
	for _, a := range actions[:n] {
		w.do(a)
	}
}

// check holds a step to the promises.
func (w *world) check(t *rapid.T, before, next *stages.Rollout, actions []stages.Action) {
	t.Helper()
	if next.State != before.State || next.Stage != before.Stage {
		if next.Rev != before.Rev+1 {
			t.Fatalf("a change from rev %d is written as rev %d", before.Rev, next.Rev)
		}
	}
	if next.Stage < before.Stage || next.Stage > before.Stage+1 {
		t.Fatalf("from stage %d to stage %d", before.Stage, next.Stage)
	}
	if before.Over() && (next.State != before.State || len(actions) > 0) {
		t.Fatalf("%s is not the end: %s, %v", before.State, next.State, actions)
	}
	lone := 0
	for _, a := range actions {
		if a.Do != stages.Publish {
			continue
		}
		if next.State != stages.Running {
			t.Fatalf("%v while %s", a, next.State)
		}
		share := next.Stages[next.Stage].Share
		if a.Device == "" && share < 100 {
			t.Fatalf("all of ring %s at %g %%", a.Ring, share)
		}
		if a.Device != "" && float64(seal.Share("s", a.Device)) >= share*100 {
			lone++
		}
	}
	if lone > 1 || lone == 1 && len(w.offered) > 0 {
		t.Fatalf("%d devices beyond the share, %d have it", lone, len(w.offered))
	}
	if next.Stage > before.Stage {
		w.passed(t, &before.Stages[before.Stage])
	}
}

// passed holds a stage that was left to the limits.
func (w *world) passed(t *rapid.T, s *stages.Stage) {
	t.Helper()
	bad, good := 0, 0
	for i, d := range w.devices {
		if !w.offered[d.ID] || !contains(s.Rings, d.Ring) {
			continue
		}
		if w.acts[i] == "refuses" {
			bad++
		}
		if d.Digest == digest {
			good++
		}
	}
	if bad >= 3 && float64(bad) > .05*float64(bad+good) || bad > 0 && bad >= good {
		t.Fatalf("a stage was passed with %d good and %d bad", good, bad)
	}
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// holding counts topics that retain the candidate.
func (w *world) holding() (rings, devices int) {
	for _, held := range w.rings {
		if held.Ours {
			rings++
		}
	}
	for _, d := range w.devices {
		if d.Held.Ours {
			devices++
		}
	}
	return rings, devices
}

// plans are some stages.
func plans(t *rapid.T) []stages.Stage {
	rings := [][]string{{"all"}, {"canary", "all"}, {"canary", "early", "all"}}
	shares := [][]float64{nil, {100}, {1, 10, 100}, {50, 100}, {0.5, 5, 25, 100}}
	plan, err := stages.Plan(rapid.SampledFrom(rings).Draw(t, "rings"), rapid.SampledFrom(shares).Draw(t, "shares"))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestPromises: whatever devices do, whoever is killed, and whatever is ordered,
// nothing goes beyond the share, no stage is passed that failed, and the end
// leaves the broker tidy.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, plans(t), []string{"good", "good", "good", "refuses", "silent", "dies"})
		for i := range 150 {
			if rapid.IntRange(0, 30).Draw(t, "order") == 0 {
				do := rapid.SampledFrom([]string{stages.Pause, stages.Resume, stages.Abort}).Draw(t, "do")
				w.order = &stages.Order{ID: fmt.Sprint(i), Do: do, By: "b", At: w.now}
			}
			w.flap(t)
			w.step(t, rapid.IntRange(0, 4).Draw(t, "fault") == 0)
			w.live()
		}
		rings, devices := w.holding()
		switch w.record.State {
		case stages.Aborted:
			if rings+devices > 0 {
				t.Fatalf("aborted, and %d rings and %d devices retain it", rings, devices)
			}
		case stages.Done:
			if rings != len(w.record.Rings()) || devices > 0 {
				t.Fatalf("done, and %d rings and %d devices retain it", rings, devices)
			}
		}
		if w.record.Over() != (w.record.Envelope == "") {
			t.Fatalf("%s with an envelope of %d bytes", w.record.State, len(w.record.Envelope))
		}
	})
}

// flap lets a device come or go.
func (w *world) flap(t *rapid.T) {
	if i := rapid.IntRange(0, 4*len(w.devices)).Draw(t, "flap"); i < len(w.devices) {
		w.devices[i].Online, w.devices[i].Changed = !w.devices[i].Online, w.now
	}
}

// TestGoodEnds: where every device is well the rollout is done, though each
// second step is of another process and loses what it did.
func TestGoodEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, plans(t), []string{"good"})
		for i := 0; w.record.State != stages.Done; i++ {
			if i > 400 {
				t.Fatalf("not done: %+v", w.record)
			}
			w.step(t, i%2 == 1)
			w.live()
		}
	})
}

// TestBadEnds: where every device fails the rollout aborts itself in the first
// stage, and no device outside it has seen the candidate.
func TestBadEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, plans(t), []string{"refuses", "silent"})
		for i := 0; w.record.State != stages.Aborted; i++ {
			if i > 100 {
				t.Fatalf("not aborted: %+v", w.record)
			}
			w.step(t, i%3 == 1)
			w.live()
		}
		first := w.record.Stages[0]
		for _, d := range w.devices {
			in := contains(first.Rings, d.Ring) && (float64(seal.Share("s", d.ID)) < first.Share*100)
			if w.offered[d.ID] && !in && len(w.offered) > 1 {
				t.Fatalf("%s saw it, part %d of ring %s", d.ID, seal.Share("s", d.ID), d.Ring)
			}
		}
	})
}
