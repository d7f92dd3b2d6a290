package cond

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/policy"
)

// Value is what a field is taken to be.
type Value struct {
	Field  string
	Known  bool
	Text   string
	Number float64
	Flag   bool
	kind   kind
}

type kind int

const (
	text kind = iota
	number
	flag
	moment // minutes since the beginning of a Monday
)

// another stands for all texts that no condition names.
const another = "another"

// String is the field and its value, such as battery_pct=8.
func (v Value) String() string {
	switch {
	case !v.Known:
		return v.Field + " unknown"
	case v.kind == text:
		return v.Field + "=" + v.Text
	case v.kind == flag:
		return v.Field + "=" + strconv.FormatBool(v.Flag)
	case v.kind == moment:
		return v.Field + "=" + v.time().Format("Mon 15:04")
	}
	return v.Field + "=" + strconv.FormatFloat(v.Number, 'g', 6, 64)
}

// time is the moment of a value.
func (v *Value) time() time.Time {
	return time.Date(2026, 6, 1, 0, int(v.Number), 0, 0, time.UTC)
}

// Any is the value in the form that [policy.Signals.Set] takes; nil when it is
// not known.
func (v Value) Any() any {
	switch {
	case !v.Known:
		return nil
	case v.kind == text:
		return v.Text
	case v.kind == flag:
		return v.Flag
	case v.kind == moment:
		return v.time()
	}
	return v.Number
}

// List writes values for a person.
func List(values []Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}

// meets tells whether the comparison holds of the value.
func (v *Value) meets(c *policy.Condition) bool {
	switch {
	case !v.Known:
		return false
	case v.kind == text:
		return slices.ContainsFunc(c.In, func(want string) bool { return strings.EqualFold(want, v.Text) })
	case v.kind == flag:
		return c.Is != nil && *c.Is == v.Flag
	case v.kind == moment:
		return c.Holds(&policy.Ask{}, &policy.Signals{Time: v.time()})
	}
	n := v.Number
	return (c.LT == nil || n < *c.LT) && (c.LE == nil || n <= *c.LE) && (c.GT == nil || n > *c.GT) && (c.GE == nil || n >= *c.GE)
}

// field is a field and the values that tell all cases of it apart.
type field struct {
	name   string
	values []Value
}

// closed are the texts that a field may be, where there are no others.
var closed = map[string][]string{
	"mode":    {policy.Auto, policy.Local, policy.Cloud},
	"privacy": {policy.Normal, policy.Private},
	"network": {"online", "metered", "degraded", "unknown", "portal", "offline"},
}

// fieldsOf lists what the claims test, in their order.
func fieldsOf(claims []Claim, known bool) []field {
	var names []string
	tests := map[string][]*policy.Condition{}
	for _, c := range claims {
		c.Condition.Leaves(func(l *policy.Condition) {
			name := tested(l)
			if tests[name] == nil {
				names = append(names, name)
			}
			tests[name] = append(tests[name], l)
		})
	}
	fields := make([]field, len(names))
	for i, name := range names {
		fields[i] = field{name, Values(name, tests[name])}
		if known {
			fields[i].values = slices.DeleteFunc(fields[i].values, func(v Value) bool { return !v.Known })
		}
	}
	return fields
}

// Values lists values of a field that tell apart all that the comparisons can:
// at every limit, between each two, beyond them, and not known where that can be.
func Values(name string, tests []*policy.Condition) []Value {
	var all []Value
	switch {
	case len(tests) == 0:
	case tests[0].Time != nil:
		all = moments(name, tests)
	case len(tests[0].In) > 0:
		all = texts(name, tests)
	case tests[0].Is != nil:
		all = []Value{{Field: name, Known: true, kind: flag, Flag: true}, {Field: name, Known: true, kind: flag}}
	default:
		all = numbers(name, tests)
	}
	if mayBeUnknown(name) {
		all = append(all, Value{Field: name})
	}
	return all
}

// day is how many minutes it has.
const day = 24 * 60

// moments are the beginnings of all spans that windows tell apart, of a week.
func moments(name string, tests []*policy.Condition) []Value {
	starts := []int{0}
	for _, t := range tests {
		from, _ := policy.Clock(t.Time.From)
		to, _ := policy.Clock(t.Time.To)
		starts = append(starts, from%day, to%day)
	}
	slices.Sort(starts)
	var all []Value
	for weekday := range 7 {
		for _, start := range slices.Compact(slices.Clone(starts)) {
			all = append(all, Value{Field: name, Known: true, kind: moment, Number: float64(weekday*day + start)})
		}
	}
	return all
}

func texts(name string, tests []*policy.Condition) []Value {
	words, isClosed := closed[name]
	words = slices.Clone(words)
	if !isClosed {
		for _, t := range tests {
			for _, w := range t.In {
				words = append(words, strings.ToLower(w))
			}
		}
		slices.Sort(words)
		words = append(slices.Compact(words), another)
	}
	all := make([]Value, len(words))
	for i, w := range words {
		all[i] = Value{Field: name, Known: true, Text: w}
	}
	return all
}

func numbers(name string, tests []*policy.Condition) []Value {
	limits := ends(name)
	for _, t := range tests {
		for _, limit := range []*float64{t.LT, t.LE, t.GT, t.GE} {
			if limit != nil {
				limits = append(limits, *limit)
			}
		}
	}
	slices.Sort(limits)
	limits = slices.Compact(limits)
	points := append([]float64{limits[0] - 1}, limits...)
	for i := range limits[1:] {
		points = append(points, (limits[i]+limits[i+1])/2)
	}
	points = append(points, limits[len(limits)-1]+1)
	var all []Value
	for _, n := range whole(name, points) {
		if within(name, n) {
			all = append(all, Value{Field: name, Known: true, kind: number, Number: n})
		}
	}
	slices.SortFunc(all, func(a, b Value) int { return cmp.Compare(a.Number, b.Number) })
	return slices.CompactFunc(all, func(a, b Value) bool { return a.Number == b.Number })
}

// whole puts the numbers beside each point in its place, where a field has only
// whole ones.
func whole(name string, points []float64) []float64 {
	if !counts(name) {
		return points
	}
	var all []float64
	for _, p := range points {
		all = append(all, math.Floor(p), math.Floor(p)+1, math.Ceil(p)-1)
	}
	return all
}

// counts tells whether a field has whole numbers only.
func counts(name string) bool { return name == "deadline_ms" || strings.HasPrefix(name, "size.") }

// ends are numbers at which the values of a field end.
func ends(name string) []float64 {
	if low, high, ok := policy.Range(name); ok {
		return []float64{low, high}
	}
	if name == "p_in_scope" {
		return []float64{0, 1}
	}
	return []float64{0}
}

// within tells whether a field can be that.
func within(name string, n float64) bool {
	all := ends(name)
	return n >= all[0] && (len(all) == 1 || n <= all[1])
}

// mayBeUnknown tells of a field whether it can be that nothing is known of it.
func mayBeUnknown(name string) bool {
	switch name {
	case "network":
		return false
	case "p_in_scope", "max_cost_usd", "intent", "caller":
		return true
	}
	return slices.Contains(policy.SignalNames(), name)
}
