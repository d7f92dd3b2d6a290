package policy

import "nearside/policy/fact"

// Values of Ask.Mode and Ask.Privacy.
const (
	Auto    = "auto"
	Local   = "local"
	Cloud   = "cloud"
	Normal  = "normal"
	Private = "private"
)

// What a decision is made from, by the names that everybody uses.
type (
	Ask      = fact.Ask
	Estimate = fact.Estimate
	Size     = fact.Size
	Needs    = fact.Needs
	Caching  = fact.Caching
	Signals  = fact.Signals
	Device   = fact.Device
	Target   = fact.Target
	Price    = fact.Price
)

// SignalNames lists the signals that [Signals.Set] takes.
func SignalNames() []string { return fact.SignalNames() }

// Networks lists the states a network can be in.
func Networks() []string { return fact.Networks() }

// Range is the least and the most that a number among the signals can be in
// this world, and whether the name is one of them.
func Range(name string) (low, high float64, ok bool) { return fact.Range(name) }
