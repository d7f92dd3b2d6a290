package audit

import (
	"slices"

	"nearside/policy"
	"nearside/policy/decide"
)

// World is what an audit must know of the device and of policy, at one moment.
type World struct {
	Doc     *policy.Document
	Signals policy.Signals
	Link    string // kind of link that the way out takes, such as ethernet; "" is not known
}

// Why an audit waits, or was given up.
const (
	notIdle    = "busy"
	notOnline  = "network"
	notFlat    = "metered"
	notMains   = "battery"
	noBudget   = "budget"
	noTarget   = "no_target"
	notCounted = "store"
)

// busyPct is from which share of the processor on a device is not idle.
const busyPct = 50

// free says why an audit would cost something now, "" when it would not. What
// is not known counts as if it did.
func (w *World) free() string {
	d := &w.Signals.Device
	switch {
	case w.Signals.Network != "online":
		return notOnline
	case d.Metered == nil && !slices.Contains([]string{"ethernet", "wifi"}, w.Link), d.Metered != nil && *d.Metered:
		return notFlat
	case d.Charging == nil || !*d.Charging:
		return notMains
	}
	return ""
}

// idle tells whether the device has nothing else to do.
func (w *World) idle() bool {
	cpu := w.Signals.Device.CPUPct
	return cpu != nil && *cpu < busyPct && !slices.ContainsFunc(w.Signals.Targets, func(t policy.Target) bool { return t.InFlight > 0 })
}

// dearest is the most, in USD, that an ask can cost at a target: no text has
// more tokens than bytes.
func dearest(p *policy.Price, size policy.Size) float64 {
	return (p.Input*float64(size.Bytes+frame) + p.Output*float64(size.TokensOut)) / 1e6
}

// frame is more tokens than the form of a chat adds to its text.
const frame = 256

// auditor is the cloud target that policy would ask now, within so many USD,
// and the most that this may cost; "" is none. One without a price is none,
// since what it costs is not known.
func (w *World) auditor(ask policy.Ask, usd float64) (target string, cost float64) {
	ask.Mode, ask.Model, ask.Stream, ask.Expected, ask.Cache = policy.Cloud, policy.Cloud, false, nil, policy.Caching{}
	if ask.MaxCost == nil || *ask.MaxCost > usd {
		ask.MaxCost = &usd
	}
	plan := decide.Plan(w.Doc, &ask, &w.Signals)
	for _, step := range plan.Steps {
		if step.Kind != policy.StepCloud || plan.Private {
			continue
		}
		for _, name := range step.Targets() {
			i := slices.IndexFunc(w.Signals.Targets, func(t policy.Target) bool { return t.Name == name })
			if i < 0 || w.Signals.Targets[i].Price == nil {
				continue
			}
			if cost := dearest(w.Signals.Targets[i].Price, ask.Size); cost <= *ask.MaxCost {
				return name, cost
			}
		}
	}
	return "", 0
}
