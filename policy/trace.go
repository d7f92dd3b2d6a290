package policy

// Holds tells whether the condition is true of the ask and the signals.
func (c *Condition) Holds(a *Ask, s *Signals) bool { return c.holds(a, s) }

// InForce tells whether the rule applies to the ask: its condition holds, or,
// where it has an until, it is held.
func (r *Rule) InForce(a *Ask, s *Signals) bool { return r.inForce(a, s) }

// Names tells whether one of the list, such as an effect's, names the target,
// by its name or by its side.
func Names(list []string, t *Target) bool { return names(list, t) }
