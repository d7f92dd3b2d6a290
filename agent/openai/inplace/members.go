package inplace

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// Members goes through the fields of a JSON object that was found valid before,
// in the order they stand, without taking it apart any further; anything else
// has none.
func Members(object []byte) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		in := Read(object)
		for open := in.Object(); open && in.Member(); {
			if !yield(in.Name, in.Value()) {
				return
			}
		}
	}
}

// nameOf is the name in its quotes, where it lies if it is written plainly.
func nameOf(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s strings.Builder
	Unquote(&s, raw)
	return []byte(s.String())
}

// Elements goes through the entries of a JSON list that was found valid before;
// anything else has none.
func Elements(list []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		in := Read(list)
		for open := in.List(); open && in.Element(); {
			if !yield(in.Value()) {
				return
			}
		}
	}
}

// AppendRest adds the members of an object as they lie, but those of some names,
// with a comma behind each. Anything but an object has none.
func AppendRest(to, object []byte, without ...string) []byte {
	in := Read(object)
	for open := in.Object(); open && in.Member(); {
		if in.Value(); !in.named(without) {
			to = append(append(to, in.Entry()...), ',')
		}
	}
	return to
}

// named tells whether the latest member has one of the names.
func (r *Reader) named(names []string) bool {
	for _, name := range names {
		if string(r.Name) == name {
			return true
		}
	}
	return false
}

// Close ends what was added to an object or a list with a comma behind each entry.
func Close(to []byte, end byte) []byte {
	return append(bytes.TrimSuffix(to, []byte(",")), end)
}

// skip is the place of the first byte at or after i that is not white space.
func skip(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
