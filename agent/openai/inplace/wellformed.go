package inplace

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// maxDepth is how deep lists and objects may be in one another.
const maxDepth = 10_000

// Valid tells whether b is one JSON value (RFC 8259), no deeper than
// maxDepth: what encoding/json calls valid, a test holds it to that. It takes a
// tenth of the time (see BenchmarkValid).
func Valid(b []byte) bool {
	r := Read(b)
	return r.Done()
}

// value is the place after the value that begins at i, -1 when it is not well
// formed. The others are like it.
func (r *Reader) value(i, depth int) int {
	if i >= len(r.text) {
		return -1
	}
	switch r.text[i] {
	case '"':
		return r.quote(i)
	case '{':
		return r.object(i, depth+1)
	case '[':
		return r.list(i, depth+1)
	case 't':
		return checkWord(r.text, i, "true")
	case 'f':
		return checkWord(r.text, i, "false")
	case 'n':
		return checkWord(r.text, i, "null")
	}
	return checkNumber(r.text, i)
}

func checkWord(b []byte, i int, word string) int {
	if !strings.HasPrefix(string(b[i:min(i+len(word), len(b))]), word) {
		return -1
	}
	return i + len(word)
}

func (r *Reader) object(i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	b := r.text
	if i = skip(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i = r.quote(i); i < 0 {
			return -1
		}
		if i = skip(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		next, more := checkRest(b, r.value(skip(b, i+1), depth), '}')
		if !more {
			return next
		}
		i = next
	}
}

func (r *Reader) list(i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	b := r.text
	if i = skip(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		next, more := checkRest(b, r.value(i, depth), ']')
		if !more {
			return next
		}
		i = next
	}
}

// checkRest looks at what follows an entry that ended before i: a comma and
// more, or the end.
func checkRest(b []byte, i int, end byte) (next int, more bool) {
	if i < 0 {
		return -1, false
	}
	i = skip(b, i)
	switch {
	case i < len(b) && b[i] == ',':
		return skip(b, i+1), true
	case i < len(b) && b[i] == end:
		return i + 1, false
	}
	return -1, false
}

// Eight bytes at a time: each of ones is 1, of tops the highest bit.
const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// quote checks the string that begins at i.
func (r *Reader) quote(i int) int {
	b := r.text
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	wide := uint64(0)
	for i++; i < len(b); i++ {
		if i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			wide |= w
			special := ends(w)
			if special == 0 {
				i += 7
				continue
			}
			i += bits.TrailingZeros64(special) / 8
		}
		switch c := b[i]; {
		case c == '"':
			r.Wide = r.Wide || wide&tops != 0
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = checkEscape(b, i+1); i < 0 {
				return -1
			}
		default:
			wide |= uint64(c)
		}
	}
	return -1
}

// ends marks bytes of a word that end a string, begin an escape or are
// forbidden in one. The first mark is true; those behind it may be false.
func ends(w uint64) uint64 {
	quote, slash := w^'"'*ones, w^'\\'*ones
	return ((w-' '*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
}

// checkEscape is the last place of the escape behind a backslash.
func checkEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	if b[i] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, b[i]) < 0 {
			return -1
		}
		return i
	}
	for k := 1; k <= 4; k++ {
		if i+k >= len(b) || strings.IndexByte("0123456789abcdefABCDEF", b[i+k]) < 0 {
			return -1
		}
	}
	return i + 4
}

func checkNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = checkDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = checkDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return checkDigits(b, i)
	}
	return i
}

// checkDigits is the place after at least one digit.
func checkDigits(b []byte, i int) int {
	from := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}
