package policy

// Holds tells whether the condition is true of the ask and the signals.
func (c *Condition) Holds(a *Ask, s *Signals) bool { return c.holds(a, s) }

// InForce tells whether the rule applies to the ask: its condition holds, or,
// where it has an until, it is held.
func (r *Rule) InForce(a *Ask, s *Signals) bool { return r.inForce(a, s) }

// Names tells whether one of the list, such as an effect's, names the target,
// by its name or by its side.
func Names(list []string, t *Target) bool { return names(list, t) }

// Kinds of what a field holds, see [FieldKind].
const (
	KindText   = "text"
	KindNumber = "number"
	KindFlag   = "flag"
)

// FieldKind is what a field that conditions may test holds: text, number or
// flag; "" for a name that is no field.
func FieldKind(field string) string {
	switch lookup(field, &Ask{}, &Signals{}).kind {
	case TextField:
		return KindText
	case NumberField:
		return KindNumber
	case FlagField:
		return KindFlag
	}
	return ""
}

// Value is what a field holds: a string, a float64 or a bool, nil when nothing
// is known of it or it is no field.
func Value(field string, a *Ask, s *Signals) any {
	v := lookup(field, a, s)
	if !v.known {
		return nil
	}
	switch v.kind {
	case TextField:
		return v.text
	case NumberField:
		return v.num
	case FlagField:
		return v.flag
	}
	return nil
}

// Range is the least and the most that a number among the signals can be in
// this world, and whether the name is one of them.
func Range(name string) (low, high float64, ok bool) {
	if new(Device).number(name) == nil {
		return 0, 0, false
	}
	low, high = bounds(name)
	return low, high, true
}
