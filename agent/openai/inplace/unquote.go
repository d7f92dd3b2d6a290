package inplace

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote adds the text of a string that was found valid before and is UTF-8.
// Half of a surrogate pair is U+FFFD.
func Unquote(to *strings.Builder, raw json.RawMessage) {
	s := raw[1 : len(raw)-1]
	if to.Len() == 0 {
		to.Grow(len(s))
	}
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			to.Write(s)
			return
		}
		to.Write(s[:i])
		if s = s[i+1:]; s[0] != 'u' {
			to.WriteByte(unescape(s[0]))
			s = s[1:]
			continue
		}
		r, n := character(s)
		to.WriteRune(r)
		s = s[n:]
	}
}

// unescape is what an escape of one letter stands for.
func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// character reads an escape by number, behind its backslash, and the second one
// of a pair. It tells how long it is.
func character(s []byte) (r rune, n int) {
	const long = len("uXXXX")
	r = number(s[1:long])
	if !utf16.IsSurrogate(r) {
		return r, long
	}
	if len(s) > 2*long && s[long] == '\\' && s[long+1] == 'u' {
		if both := utf16.DecodeRune(r, number(s[long+2:2*long+1])); both != utf8.RuneError {
			return both, 2*long + 1
		}
	}
	return utf8.RuneError, long
}

// number reads hexadecimal digits.
func number(digits []byte) (r rune) {
	for _, c := range digits {
		switch r <<= 4; {
		case c <= '9':
			r |= rune(c - '0')
		default:
			r |= rune(c|' ') - 'a' + 10
		}
	}
	return r
}
