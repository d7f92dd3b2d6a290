package exact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxWhole is the largest whole number that every reader of JSON keeps whole.
const maxWhole = 1<<53 - 1

// Fields takes the fields of an object one by one, each by its exact name. It
// keeps the first fault; End tells it, or that something was left over.
type Fields struct {
	what string
	left map[string]any
	up   *Fields // that this stands in
	err  error
}

// Fault says of a field what would be right.
func (f *Fields) Fault(name, right string) {
	f.Fail(fmt.Errorf("%s.%s must be %s", f.what, name, right))
}

// Fail takes a fault that the caller found.
func (f *Fields) Fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// Names lists the fields that were not taken yet, in their order.
func (f *Fields) Names() []string { return slices.Sorted(maps.Keys(f.left)) }

// Take removes a field; optional ones may be absent.
func (f *Fields) Take(name, right string, optional bool) (any, bool) {
	v, ok := f.left[name]
	delete(f.left, name)
	if !ok && !optional {
		f.Fault(name, right)
	}
	return v, ok
}

// Text takes text that fits; absent gives "" when that may be.
func (f *Fields) Text(name, right string, optional bool, fits func(string) bool) string {
	v, ok := f.Take(name, right, optional)
	s, isText := v.(string)
	if ok && (!isText || !fits(s)) {
		f.Fault(name, right)
	}
	return s
}

// Whole takes a whole number of at least low, written in plain digits.
func (f *Fields) Whole(name string, low int64, optional bool) int64 {
	right := "a whole number from " + strconv.FormatInt(low, 10) + " to 2^53-1 in plain digits"
	v, ok := f.Take(name, right, optional)
	if !ok {
		return 0
	}
	number, _ := v.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < low || n > maxWhole {
		f.Fault(name, right)
	}
	return n
}

// Moment takes a time of RFC 3339; absent gives the zero time when that may be.
func (f *Fields) Moment(name string, optional bool) time.Time {
	const right = "a time such as 2026-01-31T12:00:00Z"
	s := f.Text(name, right, optional, func(s string) bool { return s != "" && len(s) <= 40 })
	if s == "" || f.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		f.Fault(name, right)
	}
	return t.UTC()
}

// List takes a list of at most high entries; absent gives nil when that may be.
func (f *Fields) List(name, right string, high int, optional bool) []any {
	v, ok := f.Take(name, right, optional)
	l, isList := v.([]any)
	if ok && (!isList || len(l) > high) {
		f.Fault(name, right)
	}
	return l
}

// Base64 takes bytes in the standard or the URL-safe alphabet, padded, the last
// bits zero, without line breaks: one text for the same bytes in each alphabet.
func (f *Fields) Base64(name string) []byte {
	const right = "base64 with padding and without line breaks"
	s := f.Text(name, right, false, func(s string) bool { return s != "" && !strings.ContainsAny(s, "\r\n") })
	encoding := base64.StdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.URLEncoding
	}
	b, err := encoding.Strict().DecodeString(s)
	if err != nil {
		f.Fault(name, right)
	}
	return b
}

// Inner is the object that stands in a field or a list.
func (f *Fields) Inner(name string, v any) *Fields {
	object, ok := v.(map[string]any)
	if !ok {
		f.Fault(name, "an object")
	}
	return &Fields{what: f.what + "." + name, left: object, up: f}
}

// End is the first fault, if any; that a field was left over is one. The fault
// of an inner object is one of the outer.
func (f *Fields) End() error {
	if names := f.Names(); len(names) > 0 {
		f.Fail(fmt.Errorf("%s.%s is not known to this version; what is not understood is refused", f.what, names[0]))
	}
	if f.up != nil && f.err != nil {
		f.up.Fail(f.err)
	}
	return f.err
}
