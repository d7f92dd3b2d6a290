package completion

import (
	"encoding/json"
	"iter"
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
	}
	var all strings.Builder
	speak(&all, raw)
	return all.String()
}

// Part is one of the parts that content may be a list of.
type Part struct {
	Type, Text json.RawMessage // nil when absent
	Odd        bool            // it is no object at all
}

// IsText tells whether the part says that it is text.
func (p *Part) IsText() bool { return inplace.Says(p.Type, "text") }

// Parts goes through the parts of content that was found valid before; a string
// has none. A null is a part without type and text.
func Parts(content json.RawMessage) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		in := inplace.Read(content)
		for open := in.List(); open && in.Element(); {
			if !yield(readPart(&in)) {
				return
			}
		}
	}
}

func readPart(in *inplace.Reader) (p Part) {
	if !in.Object() {
		p.Odd = inplace.First(in.Value()) != 'n'
		return p
	}
	for in.Member() {
		switch string(in.Name) {
		case "type":
			p.Type = in.Value()
		case "text":
			p.Text = in.Value()
		}
	}
	return p
}

// speak adds the text of a value, and tells whether there was any.
func speak(to *strings.Builder, raw json.RawMessage) bool {
	was := to.Len()
	switch inplace.First(raw) {
	case 0, 'n':
	case '"':
		inplace.Unquote(to, raw)
	case '[':
		for p := range Parts(raw) {
			if inplace.First(p.Text) == '"' {
				inplace.Unquote(to, p.Text)
			}
		}
	default:
		to.Write(raw)
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

// blank tells whether a value holds nothing.
func blank(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}
