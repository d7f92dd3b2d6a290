package whatif

import (
	"slices"
	"strings"
	"time"

	"nearside/policy"
)

// clock goes to the next moment at which each window of the tests opens or
// closes.
func (c *Case) clock(tests []*policy.Condition) knob {
	k := knob{field: timeField, from: c.Signals.Time.Format(time.RFC3339), name: "it were "}
	for _, t := range tests {
		if at, ok := c.turnOf(t.Time); ok {
			word := at.Format("15:04 on Mon")
			if at.Sub(c.Signals.Time) < 24*time.Hour {
				word = at.Format("15:04")
			}
			k.add(at.Format(time.RFC3339), word)
		}
	}
	return k
}

// dwells are the rules that a dwell keeps in force, or out of it, for now.
func (c *Case) dwells() []knob {
	var all []knob
	later := policy.Settled(c.Doc, &c.Signals)
	for _, r := range c.Doc.Rules {
		was := slices.Contains(c.Signals.Held, r.Name)
		if is := slices.Contains(later, r.Name); r.Until != nil && was != is {
			all = append(all, knob{field: held + "." + r.Name, from: was, options: []option{{is, "the dwell of " + r.Name + " were over"}}})
		}
	}
	return all
}

// turnOf is when a window opens or closes next, in the zone of the signals' time;
// ok is false for one that does neither within nine days.
func (c *Case) turnOf(w *policy.Window) (at time.Time, ok bool) {
	now := c.Signals.Time
	local := now
	if w.Zone == "utc" {
		local = now.UTC()
	}
	edges := []int{0} // days may make a difference at midnight
	for _, text := range []string{w.From, w.To} {
		if minutes, ok := policy.Clock(text); ok {
			edges = append(edges, minutes)
		}
	}
	for day := range 9 {
		for _, minutes := range edges {
			t := time.Date(local.Year(), local.Month(), local.Day()+day, 0, minutes, 0, 0, local.Location())
			if t.After(now) && open(w, t) != open(w, now) && (!ok || t.Before(at)) {
				at, ok = t, true
			}
		}
	}
	return at.In(now.Location()), ok
}

func open(w *policy.Window, t time.Time) bool {
	return (&policy.Condition{Time: w}).Holds(&policy.Ask{}, &policy.Signals{Time: t})
}

// span is a window in words, such as "from 22:00 to 06:00 on sat, sun, utc".
func span(w *policy.Window) string {
	var all []string
	if w.From != "" {
		all = append(all, "from "+w.From)
	}
	if w.To != "" {
		all = append(all, "to "+w.To)
	}
	if len(w.Days) > 0 {
		all = append(all, "on "+strings.Join(w.Days, ", "))
	}
	if w.Zone == "utc" {
		all = append(all, "utc")
	}
	return strings.Join(all, " ")
}
