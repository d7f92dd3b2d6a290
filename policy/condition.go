package policy

import (
	"strings"
)

// Condition is a typed test on the ask and the signals. Exactly one of All,
// Any, Not, Field and Time is set; an empty condition always holds. A comparison
// with a value that is not known does not hold.
type Condition struct {
	All   []Condition `json:"all,omitempty"`
	Any   []Condition `json:"any,omitempty"`
	Not   *Condition  `json:"not,omitempty"`
	Time  *Window     `json:"time,omitempty"`
	Field string      `json:"field,omitempty"`
	Is    *bool       `json:"is,omitempty"`
	In    []string    `json:"in,omitempty"`
	LT    *float64    `json:"lt,omitempty"`
	LE    *float64    `json:"le,omitempty"`
	GT    *float64    `json:"gt,omitempty"`
	GE    *float64    `json:"ge,omitempty"`
}

// Holds tells whether the condition is true of the ask and the signals.
func (c *Condition) Holds(a *Ask, s *Signals) bool {
	switch {
	case len(c.All) > 0:
		for i := range c.All {
			if !c.All[i].Holds(a, s) {
				return false
			}
		}
		return true
	case len(c.Any) > 0:
		for i := range c.Any {
			if c.Any[i].Holds(a, s) {
				return true
			}
		}
		return false
	case c.Not != nil:
		return !c.Not.Holds(a, s)
	case c.Time != nil:
		return c.Time.Holds(s.Time)
	case c.Field == "":
		return true
	}
	return c.compare(lookup(c.Field, a, s))
}

func (c *Condition) compare(v value) bool {
	if !v.Known {
		return false
	}
	switch v.Kind {
	case KindText:
		for _, want := range c.In {
			if strings.EqualFold(v.Text, want) {
				return true
			}
		}
		return false
	case KindFlag:
		return c.Is != nil && *c.Is == v.Flag
	}
	return c.within(v.Num)
}

func (c *Condition) within(n float64) bool {
	return (c.LT == nil || n < *c.LT) && (c.LE == nil || n <= *c.LE) &&
		(c.GT == nil || n > *c.GT) && (c.GE == nil || n >= *c.GE)
}
