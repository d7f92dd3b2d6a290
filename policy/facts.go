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
	Window   = fact.Window
)

// Kinds of what a field holds, see [FieldKind].
const (
	KindText   = fact.KindText
	KindNumber = fact.KindNumber
	KindFlag   = fact.KindFlag
)

// Fields lists the names a condition may test.
func Fields() []string { return fact.Fields() }

// FieldKind is what a field that conditions may test holds: text, number or
// flag; "" for a name that is no field.
func FieldKind(field string) string { return fact.Lookup(field, &Ask{}, &Signals{}).Kind }

// Value is what a field holds: a string, a float64 or a bool, nil when nothing
// is known of it or it is no field.
func Value(field string, a *Ask, s *Signals) any { return fact.Lookup(field, a, s).Any() }

// Weekdays lists what the days of a window are called.
func Weekdays() []string { return fact.Weekdays() }

// Clock reads a time of the day, HH:MM from 00:00 to 24:00, as minutes since
// midnight.
func Clock(text string) (minutes int, ok bool) { return fact.Clock(text) }

// SignalNames lists the signals that [Signals.Set] takes.
func SignalNames() []string { return fact.SignalNames() }

// Networks lists the states a network can be in.
func Networks() []string { return fact.Networks() }

// Range is the least and the most that a number among the signals can be in
// this world, and whether the name is one of them.
func Range(name string) (low, high float64, ok bool) { return fact.Range(name) }
