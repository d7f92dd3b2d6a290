package completion

import (
	"bytes"
	"encoding/json"
	"fmt"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// envelope is a completion or a chunk: they differ in message and delta. What
// servers write in odd shapes stays raw, to be read by text and count, so that
// a field nobody needs cannot spoil a good reply.
type envelope struct {
	ID, Object, Created, Model, Usage, Error, Timings json.RawMessage
	Choices                                           []choice

	counts *Usage    // what Usage says
	again  bool      // it has more than one usage
	room   [1]choice // of Choices, when there are no more
}

type choice struct {
	Index, Message, Delta, Finish, Logprobs json.RawMessage

	message message // the delta, else the message
}

type message struct {
	Content, Refusal json.RawMessage
	Calls            []call

	says    bool // there is anything in it but a role
	other   bool // a field that nothing here knows
	thought bool // thoughts, which are not the answer yet
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

// read takes in what fits of a completion or chunk, in the room of the one
// before. It is [fault.ErrBroken] when that is nothing.
func (e *envelope) read(data []byte) error {
	*e = envelope{Choices: e.Choices[:0]}
	if e.Choices == nil {
		e.Choices = e.room[:0]
	}
	in := inplace.Read(data)
	object, listed := in.Object(), true
	for object && in.Member() {
		switch string(in.Name) {
		case "id":
			e.ID = in.Value()
		case "object":
			e.Object = in.Value()
		case "created":
			e.Created = in.Value()
		case "model":
			e.Model = in.Value()
		case "usage":
			e.again = e.Usage != nil
			e.Usage, e.counts = readUsage(&in)
		case "timings":
			e.Timings = in.Value()
		case "error":
			e.Error = in.Value()
		case "choices":
			listed = e.readChoices(&in) && listed
		}
	}
	if !in.Done() || !object {
		return fmt.Errorf("%w: not a JSON object", fault.ErrBroken)
	}
	if !listed {
		return fmt.Errorf("%w: choices is not a list", fault.ErrBroken)
	}
	return nil
}

// readChoices reads a list of choices, false when it is none; null is one.
func (e *envelope) readChoices(in *inplace.Reader) bool {
	e.Choices = e.Choices[:0]
	if !in.List() {
		return string(in.Value()) == "null"
	}
	for in.Element() {
		e.Choices = append(e.Choices, choice{})
		e.Choices[len(e.Choices)-1].read(in)
	}
	return true
}

func (c *choice) read(in *inplace.Reader) {
	var whole message
	for open := in.Object(); open && in.Member(); {
		switch string(in.Name) {
		case "index":
			c.Index = in.Value()
		case "message":
			c.Message = whole.read(in)
		case "delta":
			c.Delta = c.message.read(in)
		case "finish_reason":
			c.Finish = in.Value()
		case "logprobs":
			c.Logprobs = in.Value()
		}
	}
	if inplace.First(c.Delta) != '{' {
		c.Delta, c.message = c.Message, whole
	}
}

// read takes in a message, and gives all of it.
func (m *message) read(in *inplace.Reader) json.RawMessage {
	*m = message{}
	from := in.At()
	if !in.Object() {
		return in.Value()
	}
	for in.Member() {
		m.readField(in)
	}
	return in.Since(from)
}

func (m *message) readField(in *inplace.Reader) {
	name, v := in.Name, in.Value()
	empty := blank(v)
	m.says = m.says || !empty && string(name) != "role"
	switch string(name) {
	case "role":
	case "content":
		m.Content = v
		m.thought = m.thought || !empty && inplace.First(v) == '[' // parts, such as thoughts
	case "refusal":
		m.Refusal = v
	case "tool_calls":
		m.Calls = readCalls(v, m.Calls)
	default:
		thought := bytes.HasPrefix(name, []byte("reasoning")) || bytes.HasPrefix(name, []byte("thinking"))
		m.thought = m.thought || !empty && thought
		m.other = m.other || !empty && !thought
	}
}

// readCalls takes in what fits of tool calls.
func readCalls(raw json.RawMessage, calls []call) []call {
	_ = json.Unmarshal(raw, &calls)
	return calls
}

// failed tells whether it is an error instead.
func (e *envelope) failed() bool { return len(e.Error) > 0 && inplace.First(e.Error) != 'n' }
