package stages

import (
	"fmt"
	"slices"
	"time"
)

// Next takes a rollout one step on. Where the record that comes back has a
// higher revision it is to be retained before the actions are done; actions are
// what the fleet still lacks, so that one that was lost comes again.
func (r Rollout) Next(f Fleet) (Rollout, []Action) {
	rev := r.Rev
	r.obey(&f)
	if r.State == Running || r.State == Paused {
		r.watch(&f)
	}
	if r.State == Running {
		r.advance(&f)
	}
	actions := r.actions(&f)
	if r.State == Aborting && len(actions) == 0 {
		r.end(Aborted, f.Now)
	}
	if r.Rev > rev {
		r.Rev = rev + 1 // however many things happened
	}
	return r, actions
}

// TakeOver is the record under another process, at that time by its clock. What
// devices were given of their time is given anew, for what was seen of them is
// not in the record.
func (r Rollout) TakeOver(by string, now time.Time) Rollout {
	r.By, r.Since, r.Settled = by, now, time.Time{}
	r.Rev++
	return r
}

// obey does as an order says that was not obeyed yet.
func (r *Rollout) obey(f *Fleet) {
	o := f.Order
	if o == nil || o.ID == r.Order || r.Over() || r.State == Aborting {
		return
	}
	r.Order = o.ID
	r.Rev++
	switch {
	case o.Do == Pause && r.State == Running:
		r.State, r.Why = Paused, "paused by "+o.By
	case o.Do == Resume && r.State == Paused:
		r.State, r.Why, r.Since, r.Settled = Running, "", f.Now, time.Time{}
	case o.Do == Abort:
		r.abort("aborted by " + o.By)
	}
}

func (r *Rollout) abort(why string) {
	r.State, r.Why = Aborting, why
	r.Rev++
}

// end ends the rollout; what only a going one needs is let go.
func (r *Rollout) end(state string, now time.Time) {
	r.State, r.Ended, r.Envelope = state, now, ""
	r.Rev++
}

// watch aborts where a ring has something newer, or the stage that is going on
// or one before it has too many failures.
func (r *Rollout) watch(f *Fleet) {
	for _, ring := range r.Rings() {
		if held := f.Rings[ring]; !held.Ours && held.Version >= r.Version {
			r.abort(fmt.Sprintf("ring %s was given version %d meanwhile", ring, held.Version))
			return
		}
	}
	for i := range r.Stages[:r.Stage+1] {
		c := r.count(f, &r.Stages[i])
		if why := r.tripped(&c); why != "" {
			r.Counts = c
			r.abort(fmt.Sprintf("stage %d: %s", i+1, why))
			return
		}
	}
}

// advance goes on to the next stage when this one has settled and soaked.
func (r *Rollout) advance(f *Fleet) {
	c := r.count(f, &r.Stages[r.Stage])
	if r.Settled.IsZero() && c.settled(r.Stage == 0) && r.published(f) {
		r.Settled, r.Counts = f.Now, c
		r.Rev++
	}
	if r.Settled.IsZero() || f.Now.Sub(r.Settled) < time.Duration(r.Limits.SoakMS)*time.Millisecond {
		return
	}
	r.Counts = c
	if r.Stage == len(r.Stages)-1 {
		if len(r.actions(f)) == 0 {
			r.end(Done, f.Now)
		}
		return
	}
	r.Stage, r.Since, r.Settled = r.Stage+1, f.Now, time.Time{}
	r.Rev++
}

// published tells that the rings of a whole stage retain the candidate.
func (r *Rollout) published(f *Fleet) bool {
	s := &r.Stages[r.Stage]
	return !s.whole() || !slices.ContainsFunc(s.Rings, func(ring string) bool { return !f.Rings[ring].Ours })
}

// actions are what the fleet lacks of what the record says.
func (r *Rollout) actions(f *Fleet) []Action {
	switch r.State {
	case Running:
		return r.offer(f)
	case Aborting:
		return r.takeBack(f)
	}
	return nil
}

// offer publishes what the stages until now promise, and clears the topics of
// devices whose ring has it.
func (r *Rollout) offer(f *Fleet) []Action {
	var all []Action
	whole, lone := map[string]bool{}, map[string]bool{}
	for i := range r.Stages[:r.Stage+1] {
		s := &r.Stages[i]
		lone[r.lone(f, s)] = true
		for _, ring := range s.Rings {
			if s.whole() && !whole[ring] && !f.Rings[ring].Ours {
				all = append(all, Action{Do: Publish, Ring: ring})
			}
			whole[ring] = whole[ring] || s.whole()
		}
	}
	for i := range f.Devices {
		d := &f.Devices[i]
		switch {
		case whole[d.Ring] && d.Held.Ours && f.Rings[d.Ring].Ours:
			all = append(all, Action{Do: Clear, Ring: d.Ring, Device: d.ID})
		case whole[d.Ring], d.Held.Ours, d.Held.Version >= r.Version:
		case lone[d.ID], r.promised(d):
			all = append(all, Action{Do: Publish, Ring: d.Ring, Device: d.ID})
		}
	}
	return all
}

// promised tells whether a device is in the share of a stage until now.
func (r *Rollout) promised(d *Device) bool {
	return slices.ContainsFunc(r.Stages[:r.Stage+1], func(s Stage) bool { return s.has(r.Salt, d) })
}

// takeBack clears every topic that retains the candidate.
func (r *Rollout) takeBack(f *Fleet) []Action {
	var all []Action
	for _, ring := range r.Rings() {
		if f.Rings[ring].Ours {
			all = append(all, Action{Do: Clear, Ring: ring})
		}
	}
	for i := range f.Devices {
		if d := &f.Devices[i]; d.Held.Ours {
			all = append(all, Action{Do: Clear, Ring: d.Ring, Device: d.ID})
		}
	}
	return all
}
