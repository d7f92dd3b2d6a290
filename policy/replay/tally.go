package replay

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"nearside/policy"
)

// tally is what was counted so far.
type tally struct {
	o          *Options
	records    int
	from, to   time.Time
	unreadable int
	unplanned  int
	faults     []fault
	recomputed int
	differing  int
	differ     []string
	foreign    int
	policies   map[string]int
	changed    int
	moves      map[move]int
	estimated  int
	assumed    int
	before     figures
	after      figures
	affected   []Change
}

type fault struct {
	n    int
	text string
}

type move struct{ from, to string }

func newTally(o *Options) *tally {
	t := &tally{o: o, policies: map[string]int{}, moves: map[move]int{}}
	t.before.routes, t.after.routes = map[string]int{}, map[string]int{}
	return t
}

// seen counts a record.
func (t *tally) seen(r *Record) {
	t.records++
	t.policies[r.Policy]++
	t.span(r.Time, r.Time)
}

func (t *tally) span(from, to time.Time) {
	if t.from.IsZero() || !from.IsZero() && from.Before(t.from) {
		t.from = from
	}
	if to.After(t.to) {
		t.to = to
	}
}

// least adds a name to those that come first, of which it keeps a few.
func least(all []string, name string) []string {
	all = append(all, name)
	slices.Sort(all)
	return all[:min(len(all), maxNamed)]
}

func firstFaults(all []fault) []fault {
	slices.SortFunc(all, func(a, b fault) int { return cmp.Compare(a.n, b.n) })
	return all[:min(len(all), maxNamed)]
}

// merge adds what another counted.
func (t *tally) merge(u *tally) {
	t.records += u.records
	t.span(u.from, u.to)
	t.unreadable += u.unreadable
	t.unplanned += u.unplanned
	t.faults = firstFaults(append(t.faults, u.faults...))
	t.recomputed += u.recomputed
	t.differing += u.differing
	for _, id := range u.differ {
		t.differ = least(t.differ, id)
	}
	t.foreign += u.foreign
	addAll(t.policies, u.policies)
	t.changed += u.changed
	addAll(t.moves, u.moves)
	t.estimated += u.estimated
	t.assumed += u.assumed
	t.before.merge(u.before)
	t.after.merge(u.after)
	for _, c := range u.affected {
		t.affected = keep(t.affected, c)
	}
}

func addAll[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

// figures are sums of outcomes, in units so small that they are whole numbers
// and do not depend on their order.
type figures struct {
	asks   int
	routes map[string]int
	good   int64 // billionths of answers
	us     int64 // microseconds
	nano   int64 // billionths of a USD
	bytes  int64
}

// outcome is what came, or would have come, of one ask.
type outcome struct {
	route   string
	quality float64
	ms      float64
	usd     float64
	kb      float64
}

func (f *figures) add(o outcome) {
	f.asks++
	f.routes[o.route]++
	f.good += small(o.quality, 1e9)
	f.us += small(o.ms, 1e3)
	f.nano += small(o.usd, 1e9)
	f.bytes += small(o.kb, 1e3)
}

// small is x in units of which there are so many to one, within bounds that a
// million asks do not overflow.
func small(x, units float64) int64 { return int64(math.Round(min(max(x*units, -1e12), 1e12))) }

func (f *figures) merge(g figures) {
	f.asks += g.asks
	addAll(f.routes, g.routes)
	f.good += g.good
	f.us += g.us
	f.nano += g.nano
	f.bytes += g.bytes
}

func (f *figures) totals() Totals {
	n := float64(max(1, f.asks))
	return Totals{
		Routes: f.routes, LocalShare: float64(f.routes[policy.StepLocal]) / n,
		Quality: float64(f.good) / 1e9 / n, MS: float64(f.us) / 1e3 / n, CostUSD: float64(f.nano) / 1e9, MeteredKB: float64(f.bytes) / 1e3,
	}
}

func (t *tally) report() *Report {
	r := &Report{
		Records: t.records, From: t.from, To: t.to, Unreadable: t.unreadable, Unplanned: t.unplanned,
		Recomputed: t.recomputed, Differing: t.differing, Differ: t.differ, Foreign: t.foreign,
		Changed: t.changed, Estimated: t.estimated, Assumed: t.assumed, Before: t.before.totals(), After: t.after.totals(), Affected: t.affected,
		Moves: []Move{}, Policies: []Count{},
	}
	for _, f := range t.faults {
		r.Faults = append(r.Faults, f.text)
	}
	for m, n := range t.moves {
		r.Moves = append(r.Moves, Move{m.from, m.to, n})
	}
	slices.SortFunc(r.Moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(b.Asks, a.Asks), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	for _, name := range slices.Sorted(maps.Keys(t.policies)) {
		r.Policies = append(r.Policies, Count{name, t.policies[name]})
	}
	return r
}
