package trial_test

import (
	"testing"

	"pgregory.net/rapid"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// model is what a record must be, in few words.
type model struct {
	good, before, trial, next int64
	floor                     int64
	bad                       map[int64]bool
}

// TestModel does random steps to a record and to its model, with encoding and
// boots in between, and holds the one to the other.
func TestModel(t *testing.T) {
	all := map[int64]*trial.Held{}
	for v := range int64(40) {
		all[v+1] = hold(t, seal.KindPolicy, v+1)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r, m := trial.Record{Seq: 1, Clean: true}, model{bad: map[int64]bool{}}
		last := int64(0)
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) { m.hold(rt, r) },
			"received": func(rt *rapid.T) {
				if last == 40 {
					rt.Skip()
				}
				last++
				r, m.next = r.Received(all[last]), last
			},
			"dropped": func(*rapid.T) { r, m.next = r.Dropped(), 0 },
			"stored": func(rt *rapid.T) {
				if m.next == 0 {
					rt.Skip()
				}
				r = r.Stored(trial.Figures{})
				m.trial, m.floor, m.next = m.next, m.next, 0
			},
			"swapped": func(rt *rapid.T) {
				if r.Todo() != trial.Swap {
					rt.Skip()
				}
				r = r.Swapped()
			},
			"confirmed": func(rt *rapid.T) {
				if r.Step != trial.OnTrial {
					rt.Skip()
				}
				r = r.Confirmed(noon)
				m.before, m.good, m.trial = m.good, m.trial, 0
			},
			"rolled back": func(*rapid.T) {
				r = r.RolledBack(trial.Harm, nil, noon)
				m.rollBack()
			},
			"saved and read": func(rt *rapid.T) {
				b, err := r.Encode()
				if err != nil {
					rt.Fatal(err)
				}
				if r, err = trial.Decode(b); err != nil {
					rt.Fatal(err)
				}
			},
			"crashed": func(*rapid.T) {
				if r.Boots == trial.MaxBoots-1 && m.trial != 0 && !r.Clean {
					m.rollBack()
				}
				if r.NextBoots == trial.MaxBoots-1 && m.next != 0 && !r.Clean {
					m.bad[m.next], m.next = true, 0
				}
				r = r.Booted(noon)
			},
			"stopped": func(*rapid.T) { r = r.Stopped().Booted(noon) },
		})
	})
}

func (m *model) rollBack() {
	switch {
	case m.trial != 0:
		m.bad[m.trial], m.trial = true, 0
	case m.good != 0:
		m.bad[m.good] = true
		m.good, m.before = m.before, 0
	}
}

func (m *model) hold(rt *rapid.T, r trial.Record) {
	version := func(h *trial.Held) int64 {
		if h == nil {
			return 0
		}
		return h.Said.Version
	}
	got := [...]int64{version(r.Good), version(r.Before), version(r.Trial), version(r.Next), r.Floors["acme/stable/policy"].Version}
	if want := [...]int64{m.good, m.before, m.trial, m.next, m.floor}; got != want {
		rt.Fatalf("good, before, trial, next, floor: %v, want %v", got, want)
	}
	if in := version(r.InForce()); in != 0 && m.bad[in] {
		rt.Fatalf("version %d is in force, which was given up", in)
	}
	bad := 0
	for _, b := range r.Bad {
		if !m.bad[b.Version] {
			rt.Fatalf("version %d is given up, and should not be", b.Version)
		}
		bad++
	}
	if bad != min(len(m.bad), trial.MaxBad) {
		rt.Fatalf("%d given up, want %d", bad, len(m.bad))
	}
	if (r.Trial != nil) != (r.Step != "") {
		rt.Fatalf("step %q", r.Step)
	}
}
