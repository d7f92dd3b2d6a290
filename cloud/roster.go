package cloud

import (
	"reflect"
	"time"
)

// remembered is how long an ask that was planned with a target may still find
// it after it left the pool.
const remembered = 5 * time.Minute

// roster is who is in the pool. It never changes; another takes its place.
type roster struct {
	order []*member            // as in the config
	named map[string]*member   // those in order, and those that left lately
	left  map[string]time.Time // when those left
}

// next is the roster with others in the pool.
func (r *roster) next(order []*member, now time.Time) *roster {
	n := &roster{order: order, named: map[string]*member{}, left: map[string]time.Time{}}
	for name, m := range r.named {
		left, gone := r.left[name]
		if !gone {
			left = now
		}
		if now.Sub(left) < remembered {
			n.named[name], n.left[name] = m, left
		}
	}
	for _, m := range order {
		n.named[m.Name] = m
		delete(n.left, m.Name)
	}
	return n
}

func (p *Pool) order() []*member { return p.roster.Load().order }

// member is the one of that name, nil when there is none.
func (p *Pool) member(name string) *member { return p.roster.Load().member(name) }

// few are so many that looking through them is quicker than a map.
const few = 8

func (r *roster) member(name string) *member {
	for _, m := range r.order[:min(few, len(r.order))] {
		if m.Name == name {
			return m
		}
	}
	return r.named[name]
}

// Key is what came of reading a target's key.
type Key struct {
	Secret string // "" where none is needed
	Err    error  // why it cannot be had; the target is left alone then
}

// Reload puts other targets, in the order of the config, in the place of those
// there are. One that is as it was keeps its figures, its breaker and its
// connections; a call that was planned with one that left may still ask it.
// Keys are by the name of the target. It returns the names of those that are
// new, changed or have another key. It may be called at any time.
func (p *Pool) Reload(targets []Target, keys map[string]Key) (changed []string) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	now := p.roster.Load()
	order := make([]*member, 0, len(targets))
	for _, t := range targets {
		m := now.named[t.Name]
		fresh := m == nil || !reflect.DeepEqual(m.Target, t)
		if fresh {
			m = newMember(t, p.via, p.changed)
		}
		k := keys[t.Name]
		if other := m.setKey(k.Secret, k.Err); fresh || other {
			changed = append(changed, t.Name)
		}
		order = append(order, m)
	}
	p.roster.Store(now.next(order, time.Now()))
	return changed
}

// Forget lets go of the targets that left: a call that was planned with one of
// them finds it no more. What is under way goes on.
func (p *Pool) Forget() {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	order := p.order()
	n := &roster{order: order, named: map[string]*member{}, left: map[string]time.Time{}}
	for _, m := range order {
		n.named[m.Name] = m
	}
	p.roster.Store(n)
}
