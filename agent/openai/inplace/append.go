package inplace

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// long is a text that room is made for at once.
const long = 1 << 10

// AppendString adds a string in JSON, as a [json.Encoder] writes it that leaves
// HTML alone: a text full of brackets would grow to six times its size. What is
// no UTF-8 is replaced.
func AppendString(to []byte, s string) []byte {
	if len(s) > long && cap(to)-len(to) < 2*len(s) {
		to = slices.Grow(to, len(s)+2+strings.Count(s, `"`)+strings.Count(s, `\`)+strings.Count(s, "\n"))
	}
	to = append(to, '"')
	from := 0 // what lies between is added as it is
	for i := 0; i < len(s); {
		if ordinary(s[i]) {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r > '~' && r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		to = appendEscape(append(to, s[from:i]...), r)
		i += size
		from = i
	}
	return append(append(to, s[from:]...), '"')
}

// ordinary tells whether a byte is a character that stands for itself.
func ordinary(c byte) bool {
	return c >= ' ' && c <= '~' && c != '"' && c != '\\'
}

// short are escapes of one letter.
var short = [...]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r', '"': '"', '\\': '\\'}

func appendEscape(to []byte, r rune) []byte {
	if int(r) < len(short) && short[r] != 0 {
		return append(to, '\\', short[r])
	}
	const hex = "0123456789abcdef"
	return append(to, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
