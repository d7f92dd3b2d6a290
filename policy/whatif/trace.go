package whatif

import (
	"fmt"
	"strings"

	"nearside/policy"
)

// Trace is a condition and how it holds, test by test.
type Trace struct {
	Form  string  `json:"form"` // all, any, not, test, or always for one that is empty
	Holds bool    `json:"holds"`
	Of    []Trace `json:"of,omitempty"`
	Field string  `json:"field,omitempty"` // of a test
	Value any     `json:"value,omitempty"` // that it has; absent is not known
	Want  string  `json:"want,omitempty"`  // such as "< 20"
}

// traceOf evaluates a condition test by test.
func traceOf(c *policy.Condition, a *policy.Ask, s *policy.Signals) Trace {
	t := Trace{Form: "always", Holds: c.Holds(a, s)}
	of := func(form string, list ...policy.Condition) {
		t.Form = form
		for i := range list {
			t.Of = append(t.Of, traceOf(&list[i], a, s))
		}
	}
	switch {
	case len(c.All) > 0:
		of("all", c.All...)
	case len(c.Any) > 0:
		of("any", c.Any...)
	case c.Not != nil:
		of("not", *c.Not)
	case c.Time != nil:
		t.Form, t.Field, t.Want, t.Value = "test", timeField, span(c.Time), s.Time.Format("Mon 15:04")
	case c.Field != "":
		t.Form, t.Field, t.Want, t.Value = "test", c.Field, wanted(c), policy.Value(c.Field, a, s)
	}
	return t
}

// wanted is what a comparison wants of its field.
func wanted(c *policy.Condition) string {
	var all []string
	if c.Is != nil {
		all = append(all, fmt.Sprintf("is %t", *c.Is))
	}
	if len(c.In) > 0 {
		all = append(all, "in ["+strings.Join(c.In, ", ")+"]")
	}
	for _, x := range []struct {
		sign  string
		limit *float64
	}{{"<", c.LT}, {"<=", c.LE}, {">", c.GT}, {">=", c.GE}} {
		if x.limit != nil {
			all = append(all, x.sign+" "+number(*x.limit))
		}
	}
	return strings.Join(all, " and ")
}

// Lines tells the tests of a trace to a person, one a line, such as
// "battery_pct 8 < 20: holds".
func (t *Trace) Lines() []string {
	switch {
	case t.Form == "always":
		return []string{"always: holds"}
	case t.Form == "test":
		return []string{t.test() + verdict(t.Holds)}
	case t.Form == "not" && t.Of[0].Form == "test":
		return []string{"not " + t.Of[0].test() + verdict(t.Holds)}
	}
	all := []string{t.Form + " of these" + verdict(t.Holds)}
	for i := range t.Of {
		for _, line := range t.Of[i].Lines() {
			all = append(all, "  "+line)
		}
	}
	return all
}

func verdict(holds bool) string {
	if holds {
		return ": holds"
	}
	return ": does not hold"
}

// test is a comparison with the value it is made with.
func (t *Trace) test() string {
	value := "(not known)"
	switch v := t.Value.(type) {
	case float64:
		value = number(v)
	case string:
		value = fmt.Sprintf("%q", v)
	case bool:
		value = fmt.Sprintf("(%t)", v)
	}
	return fmt.Sprintf("%s %s %s", t.Field, value, t.Want)
}
