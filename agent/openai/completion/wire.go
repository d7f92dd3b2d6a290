package completion

import (
	"bytes"
	"encoding/json"
	"fmt"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// Bounds of what is taken apart, far above what anybody needs. Of many choices
// one is the answer; each delta of a tool call looks for the one that it
// continues. OpenAI gives at most 128 choices and takes at most 128 tools.
const (
	maxChoices = 128
	maxCalls   = 256
)

var (
	errChoices = fmt.Errorf("%w: over %d choices", fault.ErrBroken, maxChoices)
	errCalls   = fmt.Errorf("%w: over %d tool calls", fault.ErrBroken, maxCalls)
	errContent = fmt.Errorf("%w: content is neither a string, a list of parts nor null", fault.ErrBroken)
)

// envelope is a completion or a chunk: they differ in message and delta. What
// servers write in odd shapes stays raw, to be read by text and count, so that
// a field nobody needs cannot spoil a good reply.
type envelope struct {
	ID, Object, Created, Model, Usage, Error, Timings json.RawMessage
	Choices                                           []choice

	calls  []call    // room of those that the answer's choice has
	counts *Usage    // what Usage says
	again  bool      // it has more than one usage
	room   [1]choice // of Choices, when there are no more
}

type choice struct {
	All, Index, Message, Delta, Finish, Logprobs json.RawMessage

	message message // the delta, else the message
}

type message struct {
	Content, Refusal, Calls json.RawMessage // Refusal is a string, if anything

	calls   []call // read when the choice is the answer's
	says    bool   // there is anything in it but a role
	other   bool   // a field that nothing here knows
	thought bool   // thoughts, which are not the answer yet

	odd error // makes the whole reply a broken one
}

// call is a tool call, or a delta of one.
type call struct {
	All, Index, ID, Type, Function, Name, Arguments json.RawMessage // the last two stand in the function

	place          int  // among the calls of the answer
	newID, newName bool // not said before
}

// read takes in what fits of a completion or chunk, in the room of the one
// before. It is [fault.ErrBroken] when that is nothing.
func (e *envelope) read(data []byte) error {
	*e = envelope{Choices: e.Choices[:0], calls: e.calls[:0]}
	if e.Choices == nil {
		e.Choices = e.room[:0]
	}
	in := inplace.Read(data)
	object := in.Object()
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
			if err := e.readChoices(&in); err != nil {
				return err
			}
		}
	}
	if !in.Done() || !object {
		return fmt.Errorf("%w: not a JSON object", fault.ErrBroken)
	}
	return nil
}

// readChoices reads a list of choices; null is one.
func (e *envelope) readChoices(in *inplace.Reader) error {
	e.Choices = e.Choices[:0]
	if !in.List() {
		if v := in.Value(); v != nil && string(v) != "null" {
			return fmt.Errorf("%w: choices is not a list", fault.ErrBroken)
		}
		return nil
	}
	for in.Element() {
		if len(e.Choices) == maxChoices {
			return errChoices
		}
		e.Choices = append(e.Choices, choice{})
		if err := e.Choices[len(e.Choices)-1].read(in); err != nil {
			return err
		}
	}
	return nil
}

func (c *choice) read(in *inplace.Reader) error {
	var whole message
	from := in.At()
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
	c.All = in.Since(from)
	if inplace.First(c.Delta) != '{' {
		c.Delta, c.message = c.Message, whole
	}
	return c.message.odd
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
	empty := blank(v) || string(name) == "refusal" && inplace.First(v) != '"'
	m.says = m.says || !empty && string(name) != "role"
	switch string(name) {
	case "role":
	case "content":
		m.readContent(v)
		m.thought = m.thought || !empty && inplace.First(v) == '[' // parts, such as thoughts
	case "refusal":
		if m.Refusal = nil; !empty {
			m.Refusal = v // the reference knows a string and null, anything else is as good as absent
		}
	case "tool_calls":
		m.Calls = v
	default:
		thought := bytes.HasPrefix(name, []byte("reasoning")) || bytes.HasPrefix(name, []byte("thinking"))
		m.thought = m.thought || !empty && thought
		m.other = m.other || !empty && !thought
	}
}

func (m *message) readContent(raw json.RawMessage) {
	switch inplace.First(raw) {
	case '"', '[', 'n', 0:
		m.Content = raw
	default:
		m.odd = errContent
	}
}

// readCalls takes in what fits of tool calls, in the room there is.
func (m *message) readCalls(room []call) error {
	m.calls = room
	in := inplace.Read(m.Calls)
	for open := in.List(); open && in.Element(); {
		if len(m.calls) == maxCalls {
			return errCalls
		}
		m.calls = append(m.calls, call{})
		m.calls[len(m.calls)-1].read(&in)
	}
	return nil
}

func (c *call) read(in *inplace.Reader) {
	from := in.At()
	for open := in.Object(); open && in.Member(); {
		switch string(in.Name) {
		case "index":
			c.Index = in.Value()
		case "id":
			c.ID = in.Value()
		case "type":
			c.Type = in.Value()
		case "function":
			c.readFunction(in)
		}
	}
	c.All = in.Since(from)
}

func (c *call) readFunction(in *inplace.Reader) {
	c.Name, c.Arguments = nil, nil
	from := in.At()
	for open := in.Object(); open && in.Member(); {
		switch string(in.Name) {
		case "name":
			c.Name = in.Value()
		case "arguments":
			c.Arguments = in.Value()
		}
	}
	c.Function = in.Since(from)
}

// failed tells whether it is an error instead.
func (e *envelope) failed() bool { return len(e.Error) > 0 && inplace.First(e.Error) != 'n' }
