package policy

import (
	"strings"
)

// Condition is a typed test on the ask and the signals. Exactly one of All,
// Any, Not and Field is set; an empty condition always holds. A comparison
// with a value that is not known does not hold.
type Condition struct {
	All   []Condition `json:"all,omitempty"`
	Any   []Condition `json:"any,omitempty"`
	Not   *Condition  `json:"not,omitempty"`
	Field string      `json:"field,omitempty"`
	Is    *bool       `json:"is,omitempty"`
	In    []string    `json:"in,omitempty"`
	LT    *float64    `json:"lt,omitempty"`
	LE    *float64    `json:"le,omitempty"`
	GT    *float64    `json:"gt,omitempty"`
	GE    *float64    `json:"ge,omitempty"`
}

// kind is what a field holds.
type kind int

const (
	unknownField kind = iota
	text
	number
	flag
)

// value is a field's value; known is false when nothing is known of it.
type value struct {
	kind  kind
	known bool
	text  string
	num   float64
	flag  bool
}

func textValue(s string) value { return value{kind: text, known: true, text: s} }
func numValue(n float64) value { return value{kind: number, known: true, num: n} }
func flagValue(b bool) value   { return value{kind: flag, known: true, flag: b} }

// lookup finds a field of the ask or the signals.
func lookup(field string, a *Ask, s *Signals) value {
	switch field {
	case "service":
		return textValue(a.Service)
	case "model":
		return textValue(a.Model)
	case "mode":
		return textValue(a.Mode)
	case "task":
		return textValue(a.Task)
	case "privacy":
		return textValue(a.Privacy)
	case networkSignal:
		return textValue(s.Network)
	case "deadline_ms":
		return numValue(float64(a.DeadlineMS))
	case "size.bytes":
		return numValue(float64(a.Size.Bytes))
	case "size.tokens_est":
		return numValue(float64(a.Size.TokensEst))
	case "needs.tools":
		return flagValue(a.Needs.Tools)
	case "needs.schema":
		return flagValue(a.Needs.Schema)
	case "needs.vision":
		return flagValue(a.Needs.Vision)
	case "stream":
		return flagValue(a.Stream)
	}
	return deviceSignal(field, s)
}

func deviceSignal(field string, s *Signals) value {
	if p := s.Device.number(field); p != nil {
		if *p == nil {
			return value{kind: number}
		}
		return numValue(**p)
	}
	if p := s.Device.flag(field); p != nil {
		if *p == nil {
			return value{kind: flag}
		}
		return flagValue(**p)
	}
	return value{}
}

// holds tells whether the condition is true of the ask and the signals.
func (c *Condition) holds(a *Ask, s *Signals) bool {
	switch {
	case len(c.All) > 0:
		for i := range c.All {
			if !c.All[i].holds(a, s) {
				return false
			}
		}
		return true
	case len(c.Any) > 0:
		for i := range c.Any {
			if c.Any[i].holds(a, s) {
				return true
			}
		}
		return false
	case c.Not != nil:
		return !c.Not.holds(a, s)
	case c.Field == "":
		return true
	}
	return c.compare(lookup(c.Field, a, s))
}

func (c *Condition) compare(v value) bool {
	if !v.known {
		return false
	}
	switch v.kind {
	case text:
		for _, want := range c.In {
			if strings.EqualFold(v.text, want) {
				return true
			}
		}
		return false
	case flag:
		return c.Is != nil && *c.Is == v.flag
	}
	return c.within(v.num)
}

func (c *Condition) within(n float64) bool {
	return (c.LT == nil || n < *c.LT) && (c.LE == nil || n <= *c.LE) &&
		(c.GT == nil || n > *c.GT) && (c.GE == nil || n >= *c.GE)
}
