package seal

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// maxWhole is the largest whole number that every reader of JSON keeps whole.
const maxWhole = 1<<53 - 1

// fields takes the fields of an object one by one, each by its exact name. It
// keeps the first fault; end tells it, or that something was left over.
type fields struct {
	what string
	left map[string]any
	err  error
}

func (f *fields) fault(name, right string) {
	if f.err == nil {
		f.err = refuse(Malformed, "%s.%s must be %s", f.what, name, right)
	}
}

// take removes a field; optional ones may be absent.
func (f *fields) take(name, right string, optional bool) (any, bool) {
	v, ok := f.left[name]
	delete(f.left, name)
	if !ok && !optional {
		f.fault(name, right)
	}
	return v, ok
}

// text takes text that fits; absent gives "" when that may be.
func (f *fields) text(name, right string, optional bool, fits func(string) bool) string {
	v, ok := f.take(name, right, optional)
	s, isText := v.(string)
	if ok && (!isText || !fits(s)) {
		f.fault(name, right)
	}
	return s
}

// whole takes a whole number of at least low, written in plain digits.
func (f *fields) whole(name string, low int64, optional bool) int64 {
	right := "a whole number from " + strconv.FormatInt(low, 10) + " to 2^53-1 in plain digits"
	v, ok := f.take(name, right, optional)
	if !ok {
		return 0
	}
	number, _ := v.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < low || n > maxWhole {
		f.fault(name, right)
	}
	return n
}

// moment takes a time of RFC 3339; absent gives the zero time when that may be.
func (f *fields) moment(name string, optional bool) time.Time {
	const right = "a time such as 2026-01-31T12:00:00Z"
	s := f.text(name, right, optional, func(s string) bool { return s != "" && len(s) <= 40 })
	if s == "" || f.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		f.fault(name, right)
	}
	return t.UTC()
}

// list takes a list of at most high entries; absent gives nil when that may be.
func (f *fields) list(name, right string, high int, optional bool) []any {
	v, ok := f.take(name, right, optional)
	l, isList := v.([]any)
	if ok && (!isList || len(l) > high) {
		f.fault(name, right)
	}
	return l
}

// inner is the object that stands in a field or a list.
func (f *fields) inner(name string, v any) *fields {
	object, ok := v.(map[string]any)
	if !ok {
		f.fault(name, "an object")
	}
	return &fields{what: f.what + "." + name, left: object, err: f.err}
}

// end is the first fault, if any.
func (f *fields) end() error {
	if f.err == nil && len(f.left) > 0 {
		name := slices.Sorted(maps.Keys(f.left))[0]
		return refuse(Malformed, "%s.%s is not known to this version; what is not understood is refused", f.what, name)
	}
	return f.err
}
