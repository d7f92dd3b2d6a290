package simulate

import (
	"fmt"
	"slices"
	"strings"

	"nearside/policy"
	"nearside/policy/decide"
)

// watch counts how often routes change after each crossing, of targets with
// steady figures, and how often they do with the figures as they are.
type watch struct {
	day     *day
	asks    []policy.Ask
	routes  []string // of each kind of ask, as it would be decided now with steady figures
	changes []int    // since the latest crossing
	moved   []string // routes with the figures as they are
	truths  []string // that were so at the latest look
	at      int
}

func newWatch(d *day) *watch {
	n := len(d.s.Asks)
	w := &watch{day: d, routes: make([]string, n), changes: make([]int, n), moved: make([]string, n)}
	for i := range d.s.Asks {
		w.asks = append(w.asks, d.s.Asks[i].ask(d.o.Policy))
	}
	return w
}

// look compares the routes and what they depend on with the look before.
func (w *watch) look(now int, s *policy.Signals) {
	truths := w.facts(now)
	if w.truths != nil {
		if what := differing(w.truths, truths); len(what) > 0 {
			w.close()
			w.at = now
			w.day.result.Crossings = append(w.day.result.Crossings, Crossing{At: clock(now), What: what})
		}
	}
	calm := *s
	calm.Targets = w.day.fleet.steady()
	for i := range w.asks {
		due := w.turned(&w.routes[i], i, &calm)
		if due {
			w.changes[i]++
		}
		if w.turned(&w.moved[i], i, s) && !due {
			w.day.result.Drifts[w.day.s.Asks[i].Name]++
		}
	}
	w.truths = truths
}

// turned decides a kind of ask and tells whether its route is another than it
// was.
func (w *watch) turned(was *string, i int, s *policy.Signals) bool {
	plan := decide.Plan(w.day.o.Policy, &w.asks[i], s)
	route := plan.Main().Route()
	changed := *was != "" && *was != route
	*was = route
	return changed
}

// close ends the count of the latest crossing.
func (w *watch) close() {
	most := slices.Max(w.changes)
	w.day.result.Changes = max(w.day.result.Changes, most)
	if all := w.day.result.Crossings; len(all) > 0 && most > 0 {
		c := &all[len(all)-1]
		c.Changes, c.Ask = most, w.day.s.Asks[slices.Index(w.changes, most)].Name
	}
	clear(w.changes)
}

// facts are what routes depend on and is so now, without noise.
func (w *watch) facts(now int) []string {
	s := w.day.world.signals(now, nil)
	all := []string{"network " + s.Network}
	for _, name := range []string{"charging", "metered"} {
		if is := *s.Device.Flag(name); is != nil {
			all = append(all, fmt.Sprint(name, " ", *is))
		}
	}
	for _, o := range w.day.s.Outages {
		if seconds(o.From) <= now && now < seconds(o.To) {
			all = append(all, "outage of "+o.Target)
		}
	}
	for i := range w.day.o.Policy.Rules {
		r := &w.day.o.Policy.Rules[i]
		for k := range w.asks {
			if r.When.Holds(&w.asks[k], &s) {
				all = append(all, "rule "+r.Name)
				break
			}
		}
		if r.Until != nil && r.Until.Holds(&policy.Ask{}, &s) {
			all = append(all, "until of rule "+r.Name)
		}
	}
	return all
}

// differing lists what is in one list and not in the other: what began, and what
// ended.
func differing(before, after []string) []string {
	var what []string
	for _, f := range after {
		if !slices.Contains(before, f) {
			what = append(what, f)
		}
	}
	for _, f := range before {
		if strings.HasPrefix(f, "network ") || strings.HasPrefix(f, "charging ") || strings.HasPrefix(f, "metered ") {
			continue // another of its kind began
		}
		if !slices.Contains(after, f) {
			what = append(what, "no "+f)
		}
	}
	return what
}

// clock writes a second of the day.
func clock(now int) string { return fmt.Sprintf("%02d:%02d", now/3600, now/60%60) }
