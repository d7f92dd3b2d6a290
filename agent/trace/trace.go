// Package trace reads and writes traceparent headers, as W3C Trace Context
// level 1 has them, so that a request can be followed through this daemon and
// on to its targets.
package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Parent is our own place in a trace. The zero value is in none.
type Parent struct{ text string } // version 00: 00-TRACE-SPAN-FLAGS

// Lengths within version 00.
const (
	traceAt = len("00-")
	spanAt  = traceAt + 32 + len("-")
	flagsAt = spanAt + 16 + len("-")
	size    = flagsAt + 2
)

// From goes on with the trace that a caller's traceparent headers name. Where
// they name none, or are not one valid header, it begins another, which is not
// sampled.
func From(headers []string) Parent {
	if len(headers) == 1 && valid(headers[0]) {
		return step(headers[0][traceAt:spanAt-1], sampled(headers[0]))
	}
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never all zero
	var text [2 * len(id)]byte
	hex.Encode(text[:], id[:])
	return step(text[:], "00")
}

// step is a new place in the trace.
func step[Text string | []byte](id Text, flags string) Parent {
	var b [size]byte
	copy(b[:], "00-")
	copy(b[traceAt:], id)
	b[spanAt-1], b[flagsAt-1] = '-', '-'
	var span [8]byte
	binary.BigEndian.PutUint64(span[:], rand.Uint64()|1)
	hex.Encode(b[spanAt:], span[:])
	copy(b[flagsAt:], flags)
	return Parent{string(b[:])}
}

// ID is the id of the trace, "" for none.
func (p Parent) ID() string {
	if p.text == "" {
		return ""
	}
	return p.text[traceAt : spanAt-1]
}

// String is the header's value, "" for none.
func (p Parent) String() string { return p.text }

// Child is the header's value for one call that is made on the way: the same
// trace, a place of its own. It is "" for none.
func (p Parent) Child() string {
	if p.text == "" {
		return ""
	}
	return step(p.ID(), p.text[flagsAt:]).text
}

// valid tells whether the value is a traceparent. One of a later version may
// have more behind what is known of it.
func valid(v string) bool {
	switch {
	case len(v) < size, !lowerHex(v[:2]), v[:2] == "ff":
		return false
	case v[traceAt-1] != '-', v[spanAt-1] != '-', v[flagsAt-1] != '-':
		return false
	case len(v) > size && (v[:2] == "00" || v[size] != '-'):
		return false
	}
	id, span := v[traceAt:spanAt-1], v[spanAt:flagsAt-1]
	return lowerHex(id) && lowerHex(span) && lowerHex(v[flagsAt:size]) && strings.Trim(id, "0") != "" && strings.Trim(span, "0") != ""
}

func lowerHex(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return !strings.ContainsRune(hexDigits, c) }) < 0
}

const hexDigits = "0123456789abcdef"

// sampled is the one flag that is known, of a valid value.
func sampled(v string) string {
	if strings.IndexByte(hexDigits, v[size-1])&1 == 1 {
		return "01"
	}
	return "00"
}
