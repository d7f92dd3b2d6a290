package completion

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"nearside/agent/openai/inplace"
)

// reason reads why a choice ended, "" while it goes on.
func reason(raw json.RawMessage) string {
	switch inplace.First(raw) {
	case 0, 'n':
		return ""
	case '"':
		return inplace.String(raw)
	}
	return "stop"
}

// text reads a string: null is empty, a list of parts the text in them, and
// anything else what is written there.
func text(raw json.RawMessage) string {
	switch inplace.First(raw) {
	case 0, 'n':
		return ""
	case '"':
		return inplace.String(raw)
	case '[':
		var all strings.Builder
		for _, p := range Parts(raw) {
			all.WriteString(p.Text)
		}
		return all.String()
	}
	return string(raw)
}

// Part is one of the parts that content may be a list of.
type Part struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Parts reads the parts of content that was found valid before; a string has
// none.
func Parts(content json.RawMessage) []Part {
	if inplace.First(content) != '[' {
		return nil
	}
	var p []Part
	_ = json.Unmarshal(content, &p)
	return p
}

// speak adds the text of a value, and tells whether there was any.
func speak(to *strings.Builder, raw json.RawMessage) bool {
	was := to.Len()
	if s, ok := inplace.Bare(raw); ok {
		to.Write(s)
	} else {
		to.WriteString(text(raw))
	}
	return to.Len() > was
}

// count reads a whole number, even one written as 3.0 or "3"; else it is 0.
func count(raw json.RawMessage) int64 {
	if n, ok := inplace.Digits(raw); ok {
		return n
	}
	n, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || !(n >= 0 && n < 1<<53) {
		return 0
	}
	return int64(n)
}

// list reads the entries of a list; anything else has none.
func list(raw json.RawMessage) []json.RawMessage { return slices.Collect(inplace.Elements(raw)) }

// blank tells whether a value holds nothing.
func blank(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}
