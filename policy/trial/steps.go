package trial

import (
	"maps"
	"slices"
	"time"

	"nearside/policy/seal"
)

// Received keeps a verified document until it is validated. One that was
// received before and is not validated yet makes way.
func (r Record) Received(h *Held) Record {
	r.Next, r.NextBoots = h, 0
	return r
}

// Dropped gives up what was received: it is not valid here. What is in force
// and on trial stays.
func (r Record) Dropped() Record {
	r.Next, r.NextBoots = nil, 0
	return r
}

// Stored puts what was received, and is valid, on trial, with what was usual
// before; the floor rises. It takes the place of another one on trial, whose
// time before it inherits.
func (r Record) Stored(usual Figures) Record {
	if r.Trial == nil || r.Probation.Usual.Asks < Clear {
		r.Probation.Usual = usual
	}
	r.Probation = Probation{Usual: r.Probation.Usual}
	r.Trial, r.Step, r.Boots, r.Rolled = r.Next, Candidate, 0, false
	return r.taken()
}

// Applied takes what was received, a document of another kind than policy,
// which needs no trial; the floor rises.
func (r Record) Applied() Record {
	kind := r.Next.Said.Kind
	r.Were = put(r.Were, kind, r.Kinds[kind])
	r.Kinds = put(r.Kinds, kind, r.Next)
	return r.taken()
}

// InPlace tells that the document of that kind is in force, so that the one
// before it is not needed any more.
func (r Record) InPlace(kind string) Record {
	r.Were = put(r.Were, kind, nil)
	return r
}

// put is the map with another document of that kind, nil for none.
func put(m map[string]*Held, kind string, h *Held) map[string]*Held {
	if h == nil && m[kind] == nil {
		return m
	}
	m = with(m, kind, h)
	if h == nil {
		delete(m, kind)
	}
	return m
}

// with is the map with one more entry.
func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	n := make(map[K]V, len(m)+1)
	maps.Copy(n, m)
	n[k] = v
	return n
}

// taken raises the floor to what was received, and has it no more.
func (r Record) taken() Record {
	h := r.Next
	r.Floors = with(r.Floors, h.Floor(), seal.Floor{Epoch: h.Said.Epoch, Version: h.Said.Version, Digest: h.Digest})
	r.Counts.Taken++
	return r.Dropped()
}

// Swapped tells that the candidate is in force; its probation begins.
func (r Record) Swapped() Record {
	r.Step = OnTrial
	return r
}

// Watched keeps what was seen of the document on trial.
func (r Record) Watched(sofar Figures, watched time.Duration) Record {
	r.Probation.Sofar, r.Probation.Watched = sofar, watched
	return r
}

// Confirmed makes the document on trial the last good one.
func (r Record) Confirmed(at time.Time) Record {
	h := *r.Trial
	h.At = at.UTC().Truncate(time.Second)
	r.Before, r.Good, r.Rolled = r.Good, &h, false
	return r.untried()
}

// untried is the record with nothing on trial.
func (r Record) untried() Record {
	r.Trial, r.Step, r.Boots, r.Probation = nil, "", 0, Probation{}
	return r
}

// RolledBack gives up the policy in force: one on trial for the last good one,
// a confirmed one for the one before it, or the device's own. Its digest is not
// taken again.
func (r Record) RolledBack(why string, evidence []string, at time.Time) Record {
	h := r.InForce()
	if h == nil {
		return r
	}
	if r.Trial == nil {
		r.Good, r.Before = r.Before, nil
	}
	r.Rolled = true
	return r.untried().givenUp(h, why, evidence, at)
}

// Reverted gives up a document of another kind for the one before it, where that
// is known, else for the device's own.
func (r Record) Reverted(h *Held, why string, evidence []string, at time.Time) Record {
	kind := h.Said.Kind
	r.Kinds = put(r.Kinds, kind, r.Were[kind])
	r.Were = put(r.Were, kind, nil)
	return r.givenUp(h, why, evidence, at)
}

// givenUp remembers that a document is not to be taken again. Of one floor
// the latest are remembered; older ones are below the floor.
func (r Record) givenUp(h *Held, why string, evidence []string, at time.Time) Record {
	b := Bad{h.Floor(), h.Digest, h.Said.Version, why, short(evidence), at.UTC().Truncate(time.Second)}
	r.Bad = append(slices.Clone(r.Bad), b)
	same := 0
	for _, o := range r.Bad {
		if o.Floor == b.Floor {
			same++
		}
	}
	if first := slices.IndexFunc(r.Bad, func(o Bad) bool { return o.Floor == b.Floor }); same > MaxBad {
		r.Bad = slices.Delete(r.Bad, first, first+1)
	}
	r.Counts.Rolled++
	return r
}

func short(lines []string) []string {
	var out []string
	for _, l := range lines[:min(len(lines), maxLines)] {
		out = append(out, l[:min(len(l), maxText)])
	}
	return out
}

// Turned remembers a refusal and counts it.
func (r Record) Turned(why Refused) Record {
	why.Detail, why.From = why.Detail[:min(len(why.Detail), maxText)], why.From[:min(len(why.From), maxText)]
	why.At = why.At.UTC().Truncate(time.Second)
	r.Refused = &why
	reason := why.Reason
	if _, there := r.Counts.Refused[reason]; !there && len(r.Counts.Refused) >= maxReasons {
		reason = "other"
	}
	r.Counts.Refused = with(r.Counts.Refused, reason, r.Counts.Refused[reason]+1)
	return r
}

// Booted begins another life of the process: what is on trial is to be put in
// force again. What was being tried when the last one ended without a word is
// given up after [MaxBoots] such boots.
func (r Record) Booted(at time.Time) Record {
	r.Session++
	if r.Trial != nil {
		r.Step = Candidate
	}
	if !r.Clean && r.Trial != nil {
		r.Boots++
	}
	if !r.Clean && r.Next != nil {
		r.NextBoots++
	}
	r.Clean = false
	if r.Boots >= MaxBoots {
		r = r.RolledBack(Crashes, []string{crashed}, at)
	}
	if r.NextBoots >= MaxBoots {
		r = r.Dropped().givenUp(r.Next, Crashes, []string{crashed}, at)
	}
	return r
}

const crashed = "the process ended without a word 3 times while this was tried"

// Stopped tells that the process ends as it should.
func (r Record) Stopped() Record {
	r.Clean = true
	return r
}

// Moved forgets what was taken of another tenant or channel than these; the
// floors stay, so that coming back is no way below them.
func (r Record) Moved(tenant, channel string) Record {
	of := func(h *Held) bool { return h == nil || h.Said.Tenant == tenant && h.Said.Channel == channel }
	if !of(r.Trial) {
		r = r.untried()
	}
	if !of(r.Next) {
		r = r.Dropped()
	}
	if !of(r.Before) {
		r.Before = nil
	}
	if !of(r.Good) {
		r.Good, r.Before, r.Rolled = nil, nil, false
	}
	for kind, h := range r.Kinds {
		if !of(h) {
			r.Kinds, r.Were = put(r.Kinds, kind, nil), put(r.Were, kind, nil)
		}
	}
	return r
}

// Rotated adds a root that the last one was followed by; base is the digest of
// the configured one. It refuses a chain that is too long.
func (r Record) Rotated(base, envelope string) (Record, error) {
	if len(r.Roots) >= MaxRoots {
		return r, &seal.Refusal{Reason: TooManyRoots, Detail: "64 roots follow the configured one; put the newest one into the config"}
	}
	r.Base, r.Roots = base, append(slices.Clone(r.Roots), envelope)
	return r, nil
}

// Risen has the higher of both floors for every kind.
func (r Record) Risen(other seal.Floors) Record {
	for key, f := range other {
		if now := r.Floors[key]; f.Epoch > now.Epoch || f.Epoch == now.Epoch && f.Version > now.Version {
			f.Current = ""
			r.Floors = with(r.Floors, key, f)
		}
	}
	return r
}

// Reset is the record of a device that has nothing from outside. Floors, roots
// and what was found to be bad stay unless they are to be forgotten; what was
// answered stays, so that no command is obeyed twice.
func (r Record) Reset(forget bool) Record {
	n := Record{Seq: r.Seq, Session: r.Session, Clock: r.Clock, Seen: r.Seen, Passed: r.Passed, Counts: r.Counts, Refused: r.Refused}
	if forget {
		return n
	}
	n.Base, n.Roots, n.Floors, n.Bad = r.Base, r.Roots, r.Floors, r.Bad
	return n
}
