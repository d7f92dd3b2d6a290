package inplace

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// First is the first byte of a JSON value that was decoded before, 0 when absent.
func First(raw json.RawMessage) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// String reads a string; anything else is "". Those that are in every message need
// no room of their own.
func String(raw json.RawMessage) string {
	switch string(raw) {
	case `"user"`:
		return "user"
	case `"system"`:
		return "system"
	case `"assistant"`:
		return "assistant"
	case `"stop"`:
		return "stop"
	}
	if s, ok := Bare(raw); ok {
		return string(s)
	}
	if First(raw) != '"' {
		return ""
	}
	var s strings.Builder
	Unquote(&s, raw)
	return s.String()
}

// Says tells whether a value is that text.
func Says(raw json.RawMessage, text string) bool {
	if s, ok := Bare(raw); ok {
		return string(s) == text
	}
	return First(raw) == '"' && String(raw) == text
}

// Bare is a string without escapes, where it lies.
func Bare(raw json.RawMessage) (s []byte, ok bool) {
	if n := len(raw); n >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : n-1], true
	}
	return nil, false
}

// Digits reads a number written as up to 15 digits, as most are.
func Digits(raw json.RawMessage) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 15 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// Fields reads the fields of an object; anything else has none.
func Fields(raw json.RawMessage) map[string]json.RawMessage {
	o := map[string]json.RawMessage{}
	for name, v := range Members(raw) {
		o[string(name)] = v
	}
	return o
}

// Encode encodes values that cannot fail: strings, numbers, maps of them and
// raw messages that were decoded before.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encode " + err.Error())
	}
	return b
}

// Mended is data as UTF-8; what is not is replaced, a run of it by one U+FFFD.
func Mended(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	const mark = "\uFFFD"
	size := 0
	for good, bad := range runs(data) {
		size += len(good) + len(mark)*min(1, len(bad))
	}
	to := make([]byte, 0, size)
	for good, bad := range runs(data) {
		if to = append(to, good...); len(bad) > 0 {
			to = append(to, mark...)
		}
	}
	return to
}

// runs cuts data in stretches of UTF-8, each with the bytes behind it that are
// none.
func runs(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(good, bad []byte) bool) {
		for from := 0; from < len(data); {
			end := from
			for r, n := utf8.DecodeRune(data[end:]); n > 0 && (r != utf8.RuneError || n > 1); r, n = utf8.DecodeRune(data[end:]) {
				end += n
			}
			next := end
			for r, n := utf8.DecodeRune(data[next:]); n == 1 && r == utf8.RuneError; r, n = utf8.DecodeRune(data[next:]) {
				next++
			}
			if !yield(data[from:end], data[end:next]) {
				return
			}
			from = next
		}
	}
}
