package inplace

import "strings"

// maxDepth is how deep lists and objects may be in one another.
const maxDepth = 10_000

// Valid tells whether b is one JSON value (RFC 8259), no deeper than
// maxDepth: what encoding/json calls valid, a test holds it to that. Every
// request and every reply passes through here, and this takes a fifth of the
// time (see BenchmarkValid).
func Valid(b []byte) bool {
	i := checkValue(b, skip(b, 0), 0)
	return i > 0 && skip(b, i) == len(b)
}

// checkValue is the place after the value that begins at i, -1 when it is not
// well formed. The others are like it.
func checkValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '{':
		return checkObject(b, i, depth+1)
	case '[':
		return checkList(b, i, depth+1)
	case '"':
		return checkString(b, i)
	case 't':
		return checkWord(b, i, "true")
	case 'f':
		return checkWord(b, i, "false")
	case 'n':
		return checkWord(b, i, "null")
	}
	return checkNumber(b, i)
}

func checkWord(b []byte, i int, word string) int {
	if !strings.HasPrefix(string(b[i:min(i+len(word), len(b))]), word) {
		return -1
	}
	return i + len(word)
}

func checkObject(b []byte, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	if i = skip(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		if i = checkString(b, i); i < 0 {
			return -1
		}
		if i = skip(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		next, more := checkRest(b, checkValue(b, skip(b, i+1), depth), '}')
		if !more {
			return next
		}
		i = next
	}
}

func checkList(b []byte, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	if i = skip(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		next, more := checkRest(b, checkValue(b, i, depth), ']')
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

func checkString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = checkEscape(b, i+1); i < 0 {
				return -1
			}
		}
	}
	return -1
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
