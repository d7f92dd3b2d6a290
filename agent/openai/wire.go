package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// envelope is a completion or a chunk: they differ in message and delta. What
// servers write in odd shapes stays raw, to be read by text and count, so that
// a field nobody needs cannot spoil a good reply.
type envelope struct {
	ID, Object, Created, Model, Usage, Error json.RawMessage
	Choices                                  []choice
}

type choice struct {
	Index, Message, Delta, Finish, Logprobs json.RawMessage

	message message // the delta, else the message
}

type message struct {
	Content, Refusal json.RawMessage
	Calls            []call
}

type call struct {
	Index    json.RawMessage `json:"index"`
	ID       json.RawMessage `json:"id"`
	Type     json.RawMessage `json:"type"`
	Function struct {
		Name      json.RawMessage `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`

	place          int  // among the calls of the answer
	newID, newName bool // not said before
}

// readEnvelope reads what fits of a completion or chunk. It is [ErrBroken]
// when that is nothing.
func readEnvelope(data []byte) (*envelope, error) {
	if !wellFormed(data) || first(bytes.TrimSpace(data)) != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrBroken)
	}
	var e envelope
	for name, v := range members(data) {
		switch string(name) {
		case "id":
			e.ID = v
		case "object":
			e.Object = v
		case "created":
			e.Created = v
		case "model":
			e.Model = v
		case "usage":
			e.Usage = v
		case "error":
			e.Error = v
		case "choices":
			if c := first(v); c != '[' && c != 'n' {
				return nil, fmt.Errorf("%w: choices is not a list", ErrBroken)
			}
			e.Choices = readChoices(v)
		}
	}
	return &e, nil
}

func readChoices(list json.RawMessage) []choice {
	var all []choice
	for raw := range elements(list) {
		var c choice
		for name, v := range members(raw) {
			switch string(name) {
			case "index":
				c.Index = v
			case "message":
				c.Message = v
			case "delta":
				c.Delta = v
			case "finish_reason":
				c.Finish = v
			case "logprobs":
				c.Logprobs = v
			}
		}
		if first(c.Delta) != '{' {
			c.Delta = c.Message
		}
		c.message = readMessage(c.Delta)
		all = append(all, c)
	}
	return all
}

func readMessage(raw json.RawMessage) message {
	var m message
	for name, v := range members(raw) {
		switch string(name) {
		case "content":
			m.Content = v
		case "refusal":
			m.Refusal = v
		case "tool_calls":
			_ = json.Unmarshal(v, &m.Calls) // what fits of it
		}
	}
	return m
}

// failed tells whether it is an error instead.
func (e *envelope) failed() bool { return len(e.Error) > 0 && first(e.Error) != 'n' }

// reason reads why a choice ended, "" while it goes on.
func reason(raw json.RawMessage) string {
	switch first(raw) {
	case 0, 'n':
		return ""
	case '"':
		return quoted(raw)
	}
	return "stop"
}

// text reads a string: null is empty, a list of parts the text in them, and
// anything else what is written there.
func text(raw json.RawMessage) string {
	switch first(raw) {
	case 0, 'n':
		return ""
	case '"':
		return quoted(raw)
	case '[':
		var all strings.Builder
		for _, p := range (Message{Content: raw}).parts() {
			all.WriteString(p.Text)
		}
		return all.String()
	}
	return string(raw)
}

// quoted reads a string and nothing else.
func quoted(raw json.RawMessage) string {
	if n := len(raw); n >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : n-1])
	}
	var s string
	if first(raw) == '"' {
		_ = json.Unmarshal(raw, &s)
	}
	return s
}

// count reads a whole number, even one written as 3.0 or "3"; else it is 0.
func count(raw json.RawMessage) int64 {
	n, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || !(n >= 0 && n < 1<<53) {
		return 0
	}
	return int64(n)
}

// object reads the fields of an object; anything else has none.
func object(raw json.RawMessage) map[string]json.RawMessage {
	o := map[string]json.RawMessage{}
	for name, v := range members(raw) {
		o[string(name)] = v
	}
	return o
}

// list reads the entries of a list; anything else has none.
func list(raw json.RawMessage) []json.RawMessage { return slices.Collect(elements(raw)) }

// blank tells whether a value holds nothing.
func blank(raw json.RawMessage) bool {
	return slices.Contains([]string{"", "null", `""`, "[]", "{}", "false"}, string(raw))
}

// more tells what a message holds beside text, refusal and tool calls: a field
// that nothing here knows, or thoughts, which are not the answer yet.
func more(raw json.RawMessage) (other, thought bool) {
	for name, v := range members(raw) {
		switch field := string(name); {
		case field == "role", field == "refusal", field == "tool_calls", blank(v):
		case strings.HasPrefix(field, "reasoning"), strings.HasPrefix(field, "thinking"):
			thought = true
		case field == "content":
			thought = thought || first(v) == '[' // parts, such as thoughts
		default:
			other = true
		}
	}
	return other, thought
}
