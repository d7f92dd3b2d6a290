package inplace

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Members goes through the fields of a JSON object that was found valid before,
// in the order they stand, without taking it apart any further; anything else
// has none. It is what keeps a request and its reply cheap: both are read for a
// few fields and passed on as they are.
func Members(object []byte) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		for i := inside(object, '{'); i < len(object) && object[i] == '"'; {
			end := valueEnd(object, i)
			name := nameOf(object[i:end])
			i = skip(object, skip(object, end)+1) // past the colon
			end = valueEnd(object, i)
			if !yield(name, object[i:end]) {
				return
			}
			i = skip(object, skip(object, end)+1) // past the comma, or the end
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
		for i := inside(list, '['); i < len(list) && list[i] != ']'; {
			end := valueEnd(list, i)
			if !yield(list[i:end]) {
				return
			}
			i = skip(list, skip(list, end)+1)
		}
	}
}

// inside is the place of the first thing in an object or list that begins with
// open, else the end.
func inside(b []byte, open byte) int {
	i := skip(b, 0)
	if i == len(b) || b[i] != open {
		return len(b)
	}
	return skip(b, i+1)
}

// skip is the place of the first byte at or after i that is not white space.
func skip(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd is the place after the value that begins at i.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			i = scalarEnd(b, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// scalarEnd is the place after the number or word that begins at i.
func scalarEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

// stringEnd is the place after the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		escapes := 0
		for i += n; b[i-1-escapes] == '\\'; escapes++ {
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
	return i
}
