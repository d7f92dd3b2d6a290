package inplace

import "unicode/utf8"

// AppendString adds a string in JSON, as [json.Marshal] writes it: what HTML
// would take for its own is escaped, and what is no UTF-8 is replaced.
func AppendString(to []byte, s string) []byte {
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
	return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
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
