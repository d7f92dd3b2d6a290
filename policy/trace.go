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
func FieldKind(field string) string { return lookup(field, &Ask{}, &Signals{}).kind }

// Value is what a field holds: a string, a float64 or a bool, nil when nothing
// is known of it or it is no field.
func Value(field string, a *Ask, s *Signals) any {
	v := lookup(field, a, s)
	if !v.known {
		return nil
	}
	switch v.kind {
	case KindText:
		return v.text
	case KindNumber:
		return v.num
	case KindFlag:
		return v.flag
	}
	return nil
}
