package inplace

import (
	"bytes"
	"encoding/json"
	"iter"
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
	var s string
	_ = json.Unmarshal(raw, &s)
	return []byte(s)
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

// skip is the place of the first byte at or after i that is not white space.
func skip(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
