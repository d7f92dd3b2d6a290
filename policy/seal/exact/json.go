package exact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxDepth = 8

// Object reads bytes that hold one JSON object and nothing else. What it is
// called stands in every error. The size is for the caller to bound.
func Object(what string, b []byte) (*Fields, error) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return nil, fmt.Errorf("%s begins with a byte order mark; remove it", what)
	case !utf8.Valid(b):
		return nil, fmt.Errorf("%s is not UTF-8", what)
	case !shallow(b):
		return nil, fmt.Errorf("%s is more than %d deep", what, maxDepth)
	case !json.Valid(b):
		return nil, fmt.Errorf("%s is not one JSON value with nothing behind it", what)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := parseValue(what, d)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must be a JSON object", what)
	}
	return &Fields{what: what, left: object}, nil
}

// shallow tells whether no more than maxDepth brackets are open at once.
func shallow(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// parseValue reads the next value of JSON that was found valid: text, a
// json.Number, true or false, nil, a list or an object.
func parseValue(at string, d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("%s: %v", at, err)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return parseMembers(at, d)
		}
		return parseElements(at, d)
	case string:
		// What encoding/json makes of half a surrogate pair.
		if strings.ContainsRune(t, utf8.RuneError) {
			return nil, fmt.Errorf("%s holds U+FFFD, which is what broken text becomes", at)
		}
	}
	return token, nil
}

func parseElements(at string, d *json.Decoder) (any, error) {
	list := []any{}
	for d.More() {
		v, err := parseValue(at, d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func parseMembers(at string, d *json.Decoder) (any, error) {
	object, folded := map[string]any{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %v", at, err)
		}
		name, _ := token.(string)
		if !Printable(name, 1, 64) {
			return nil, fmt.Errorf("%s has a name that is not 1 to 64 plain letters", at)
		}
		low := strings.ToLower(name)
		if folded[low] {
			return nil, fmt.Errorf("%s has %s twice", at, name)
		}
		folded[low] = true
		if object[name], err = parseValue(at+"."+name, d); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

// Printable tells whether the text has from low to high bytes, each a visible
// ASCII character or a space.
func Printable(s string, low, high int) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return low <= len(s) && len(s) <= high
}
