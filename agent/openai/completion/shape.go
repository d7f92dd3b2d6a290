package completion

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"nearside/agent/openai/inplace"
)

const chunkKind = "chat.completion.chunk"

// chunk is a chunk of a target: its data, what was read of it, and which of
// its choices is the answer's.
type chunk struct {
	data []byte
	e    *envelope
	i    int
}

func (c *chunk) choice() *choice { return &c.e.Choices[c.i] }

// uncount takes out the usage that is null, where it is the last field. It is
// on every chunk of a target that was asked for usage, as all are.
func (c *chunk) uncount() {
	rest, last := bytes.CutSuffix(c.data, []byte(`,"usage":null}`))
	if last && !c.e.again && c.e.Timings == nil {
		c.data, c.e.Usage = append(rest, '}'), nil
	}
}

// shape gives back data untouched when it is right already, which is the
// common case for a cloud target; else it is put right field by field, so that
// fields this package does not know stay. finish is a JSON value.
func (s *Stream) shape(c *chunk, finish string) []byte {
	if !s.usage {
		c.uncount()
	}
	if s.right(c, finish) {
		return c.data
	}
	a := s.Answer
	a.name()
	top := inplace.Fields(c.data)
	one := map[string]json.RawMessage{}
	if choices := list(top["choices"]); c.i < len(choices) {
		one = inplace.Fields(choices[c.i])
	}
	one["index"] = json.RawMessage("0")
	one["delta"] = c.choice().delta()
	one["finish_reason"] = json.RawMessage(finish)
	delete(one, "message")
	if s.strip {
		delete(one, "logprobs")
	}
	top["id"], top["object"] = inplace.Encode(a.ID), inplace.Encode(chunkKind)
	top["created"], top["model"] = inplace.Encode(a.Created), inplace.Encode(a.Model)
	top["choices"] = inplace.Encode([]any{one})
	delete(top, "timings")
	delete(top, "usage")
	if s.usage {
		top["usage"] = json.RawMessage("null")
	}
	return inplace.Encode(top)
}

// name gives an answer without a name one.
func (a *Answer) name() {
	if a.ID == "" {
		a.ID = "chatcmpl-" + rand.Text()
	}
	if a.Created == 0 {
		a.Created = time.Now().Unix()
	}
}

// right tells whether a chunk can go out as it came. One with a line break in
// it cannot: it would end the event too early.
func (s *Stream) right(c *chunk, finish string) bool {
	switch {
	case s.strip, len(c.e.Choices) != 1, bytes.IndexByte(c.data, '\n') >= 0, bytes.IndexByte(c.data, '\r') >= 0, !c.e.named():
		return false
	case string(c.choice().Finish) != finish, string(c.choice().Index) != "0", !c.choice().right():
		return false
	case s.usage:
		return string(c.e.Usage) == "null"
	}
	return c.e.Usage == nil
}

// named tells whether a chunk has the fields every chunk has.
func (e *envelope) named() bool {
	_, err := strconv.ParseUint(string(e.Created), 10, 63)
	return err == nil && inplace.First(e.ID) == '"' && !blank(e.ID) && inplace.First(e.Model) == '"' && string(e.Object) == `"`+chunkKind+`"`
}

// right tells whether the delta is as clients rely on.
func (c *choice) right() bool {
	return inplace.First(c.Delta) == '{' && c.Message == nil && !flat(c.message.Content) &&
		!slices.ContainsFunc(c.message.Calls, func(t call) bool { return !t.right() })
}

// flat tells whether content is a list of nothing but text.
func flat(content json.RawMessage) bool {
	return inplace.First(content) == '[' && !slices.ContainsFunc(Parts(content), func(p Part) bool { return p.Type != "text" })
}

// right tells whether a tool call delta has its place, and its id and name
// only when they are new.
func (c *call) right() bool {
	args := inplace.First(c.Function.Arguments)
	return string(c.Index) == strconv.Itoa(c.place) && (c.newID || c.ID == nil) && (c.newName || c.Function.Name == nil) && (args == 0 || args == '"')
}

// delta is the choice's delta put right.
func (c *choice) delta() json.RawMessage {
	if inplace.First(c.Delta) == '{' && c.right() {
		return c.Delta
	}
	d := inplace.Fields(c.Delta)
	if flat(c.message.Content) {
		d["content"] = inplace.Encode(text(c.message.Content))
	}
	if calls := list(d["tool_calls"]); len(calls) > 0 && len(calls) == len(c.message.Calls) {
		for i := range calls {
			calls[i] = c.message.Calls[i].delta(inplace.Fields(calls[i]))
		}
		d["tool_calls"] = inplace.Encode(calls)
	}
	return inplace.Encode(d)
}

// delta puts the fields of a tool call delta right.
func (c *call) delta(fields map[string]json.RawMessage) json.RawMessage {
	function := inplace.Fields(fields["function"])
	if !c.newID {
		delete(fields, "id")
		delete(fields, "type")
	}
	if !c.newName {
		delete(function, "name")
	}
	function["arguments"] = inplace.Encode(text(c.Function.Arguments))
	fields["index"], fields["function"] = inplace.Encode(c.place), inplace.Encode(function)
	return inplace.Encode(fields)
}

// reshape takes out of a completion what the caller did not ask for, and says
// how the answer ended where that was left out or wrong.
func (a *Answer) reshape(completion []byte, e *envelope, strip bool) []byte {
	if !strip && reason(e.Choices[0].Finish) == a.Finish {
		return completion
	}
	top := inplace.Fields(completion)
	choices := list(top["choices"])
	for i, raw := range choices {
		c := inplace.Fields(raw)
		if i == 0 {
			c["finish_reason"] = inplace.Encode(a.Finish)
		}
		if strip {
			delete(c, "logprobs")
		}
		choices[i] = inplace.Encode(c)
	}
	if strip {
		delete(top, "timings")
	}
	top["choices"] = inplace.Encode(choices)
	return inplace.Encode(top)
}
