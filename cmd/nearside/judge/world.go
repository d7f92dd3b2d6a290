package judge

import (
	"fmt"

	"nearside/agent/config/remote"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/decide"
)

// world is what a policy is tried in.
type world struct {
	basis   *Basis
	limits  remote.Limits
	present *policy.Document // in force, with the switches as they are
	next    *policy.Document // on trial, bound
	// withheld is the policy in force with what the new one denies the cloud and
	// caps: to keep more on the device and to spend less is always allowed, and
	// what follows from that alone is not held against a policy. It is present
	// itself where there is nothing of the kind.
	withheld *policy.Document
	origin   *world // with the device's own policy as the one in force; nil where it is
}

func newWorld(b *Basis, written, next *policy.Document) *world {
	w := &world{basis: b, limits: remote.DefaultLimits(), next: next}
	if b.Limits != nil {
		w.limits = *b.Limits
	}
	private := keeping(written)
	w.against(b.Present, private)
	if b.Present != b.Own {
		w.origin = &world{basis: b, limits: twice(w.limits), next: next}
		w.origin.against(b.Own, private)
	}
	return w
}

// against has the world compare with a policy that is in force.
func (w *world) against(present, private *policy.Document) {
	w.present = bind.Bind(present, present, w.basis.Switches)
	w.withheld = w.present
	if len(private.Rules) > 0 {
		w.withheld = bind.Bind(private, w.present, bind.Switches{})
	}
}

// twice are the limits against the device's own policy: two steps as large as
// one may be, and no more by any number of steps. Shares of the device and times
// are as the fleet wants them.
func twice(l remote.Limits) remote.Limits {
	l.Refusals, l.Poor, l.Quality, l.LocalShare = 2*l.Refusals, 2*l.Poor, 2*l.Quality, 100
	l.CostFactor, l.CostUSD = l.CostFactor*l.CostFactor, 2*l.CostUSD
	l.LatencyFactor, l.LatencyMS = l.LatencyFactor*l.LatencyFactor, 2*l.LatencyMS
	return l
}

// keeping is what of a policy keeps asks on the device and caps their cost.
func keeping(written *policy.Document) *policy.Document {
	private := &policy.Document{}
	for _, r := range written.Rules {
		then := policy.Effect{Deny: r.Then.Deny, Privacy: r.Then.Privacy}
		if l := r.Then.Limit; l != nil && l.MaxCost != nil {
			then.Limit = &policy.Limit{MaxCost: l.MaxCost}
		}
		if r.Then = then; bind.Binds(&then) {
			private.Rules = append(private.Rules, r)
		}
	}
	return private
}

// settled plans an ask by a document that has been in force for long.
func settled(d *policy.Document, a *policy.Ask, s *policy.Signals) policy.Plan {
	now := *s
	now.Held, now.HeldSince = policy.Settled(d, s), nil
	return decide.Plan(d, a, &now)
}

// timed is the ask as it would come under a document: a deadline that was the
// policy's own is that of the new one.
func (w *world) timed(a *policy.Ask, d *policy.Document) *policy.Ask {
	if a.DeadlineMS != w.present.Deadline(a.Service) {
		return a
	}
	other := *a
	other.DeadlineMS = d.Deadline(a.Service)
	return &other
}

// before plans an ask by the policy in force, as it is and with what the new one
// keeps on the device, which most keep nothing of.
func (w *world) before(a *policy.Ask, s *policy.Signals) (was, kept policy.Plan) {
	was = settled(w.present, a, s)
	if w.withheld == w.present {
		return was, was
	}
	return was, settled(w.withheld, a, s)
}

// both adds what is expected of an ask before and after.
func (w *world) both(m *means, o *oracle) {
	was, kept := w.before(o.ask, o.sig)
	ask := w.timed(o.ask, w.next)
	is := settled(w.next, ask, o.sig)
	m.asks++
	m.was.add(o.of(&was))
	m.kept.add(o.of(&kept))
	m.is.add((&oracle{o.doc, ask, o.sig, o.sure}).of(&is))
	if w.origin != nil {
		w.creeps(m, o, &was, &is)
	}
}

// creeps adds what is expected of the ask by the device's own policy, and by its
// tables: those of the one in force are a step away already, and so may be what
// they call good.
func (w *world) creeps(m *means, o *oracle, now, next *policy.Plan) {
	if m.own == nil {
		m.own, m.ownNow = &means{}, &means{}
	}
	own, ask := &oracle{w.origin.present, o.ask, o.sig, o.sure}, w.timed(o.ask, w.next)
	p, k := w.origin.before(o.ask, o.sig)
	was, kept := own.of(&p), own.of(&k)
	is := (&oracle{own.doc, ask, o.sig, o.sure}).of(next)
	for _, to := range []struct {
		*means
		is forecast
	}{{m.own, is}, {m.ownNow, own.of(now)}} {
		to.asks++
		to.was.add(was)
		to.kept.add(kept)
		to.means.is.add(to.is)
	}
}

// means are sums over asks: as the policy in force has it, as it would with what
// the new one denies, and as the new one has it.
type means struct {
	asks          int
	was, kept, is forecast

	// By the device's own policy, where another is in force: what the new one
	// makes of it, and what the one in force does.
	own, ownNow *means
}

func (f *forecast) add(g forecast) {
	f.answered += g.answered
	f.refused += g.refused
	f.local += g.local
	f.poor += g.poor
	f.unmarked += g.unmarked
	f.quality += g.quality
	f.ms += g.ms
	f.usd += g.usd
}

// finding is how one figure moves, and whether that is harm.
type finding struct {
	text string
	harm bool
	far  float64 // how far it moved; more is worse
}

// creep is what moves beyond the limits against the device's own policy, and
// further than it has by now.
func (w *world) creep(m *means, recent bool) []finding {
	if m.own == nil {
		return nil
	}
	var beyond []finding
	now := m.ownNow.findings(&w.origin.limits, recent)
	for i, f := range m.own.findings(&w.origin.limits, recent) {
		if f.harm && f.far > now[i].far+1e-9 {
			f.text += ", against this device's own policy"
			beyond = append(beyond, f)
		}
	}
	return beyond
}

// findings compares by the table of limits. Whether ordinary asks are refused is
// counted by itself, see [world.answered].
func (m *means) findings(l *remote.Limits, recent bool) []finding {
	n := float64(max(1, m.asks))
	points := func(name string, before, after, limit float64) finding {
		before, after = 100*before/n, 100*after/n
		return finding{fmt.Sprintf("%s %.0f %% of asks, before %.0f %% (limit %+.0f points)", name, after, before, limit), (after-before)*sign(limit) > sign(limit)*limit, (after - before) * sign(limit)}
	}
	moved := 100 * (m.is.local - m.was.local) / n
	local := points("local share", m.was.local, m.is.local, l.LocalShare)
	local.harm = max(moved, -moved) > l.LocalShare
	refused := points("refused", m.was.refused, m.is.refused, l.Refusals)
	refused.harm = refused.harm && recent
	return []finding{
		refused,
		points("unanswered", m.kept.lost(n), m.is.lost(n), l.Refusals),
		points("poor local answers", m.kept.poor, m.is.poor, l.Poor),
		points("poor local answers taken as good", m.kept.unmarked, m.is.unmarked, l.Poor),
		points("good answers", m.kept.quality, m.is.quality, -l.Quality),
		ratio("%s %.6f USD an ask, before %.6f (limit %.3g times and %.3g more)", "cost", m.kept.usd/n, m.is.usd/n, l.CostFactor, l.CostUSD),
		ratio("%s %.0f ms an ask, before %.0f (limit %.3g times and %.0f more)", "time", m.kept.ms/n, m.is.ms/n, l.LatencyFactor, l.LatencyMS),
		local,
	}
}

// lost are the asks that are neither answered nor refused: all who were asked
// are expected to fail.
func (f *forecast) lost(n float64) float64 { return max(0, n-f.answered-f.refused) }

func sign(x float64) float64 {
	if x < 0 {
		return -1
	}
	return 1
}

// ratio is too much when it is more by a factor and by an amount.
func ratio(format, name string, before, after, factor, amount float64) finding {
	return finding{fmt.Sprintf(format, name, after, before, factor, amount), after > factor*before && after-before > amount, after}
}
