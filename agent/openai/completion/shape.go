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
	s.Answer.name()
	out := make([]byte, 0, len(c.data)+len(s.Answer.ID)+len(s.Answer.Model)+room*(1+len(c.choice().message.calls)/3))
	out = inplace.AppendRest(append(out, '{'), c.data, "id", "object", "created", "model", "choices", "timings", "usage")
	out = append(c.appendChoice(append(out, `"choices":[`...), finish, s.strip), `],`...)
	out = s.appendNoUsage(s.appendHead(out))
	s.size += max(0, len(out)-len(c.data))
	return out
}

// room is what a chunk gets at most that it did not have, names apart.
const room = 160

// appendChoice adds the choice put right.
func (c *chunk) appendChoice(to []byte, finish string, strip bool) []byte {
	one := c.choice()
	to = append(one.appendDelta(append(to, `{"index":0,"delta":`...)), `,"finish_reason":`...)
	to = append(append(to, finish...), ',')
	without := []string{"index", "delta", "message", "finish_reason", "logprobs"}
	if !strip {
		without = without[:len(without)-1]
	}
	return inplace.Close(inplace.AppendRest(to, one.All, without...), '}')
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

// right tells whether a chunk can go out as it came.
func (s *Stream) right(c *chunk, finish string) bool {
	switch {
	case s.strip, len(c.e.Choices) != 1, !c.e.named():
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
		!slices.ContainsFunc(c.message.calls, func(t call) bool { return !t.right() })
}

// flat tells whether content is a list of nothing but text.
func flat(content json.RawMessage) bool {
	for p := range Parts(content) {
		if !p.IsText() {
			return false
		}
	}
	return inplace.First(content) == '['
}

// right tells whether a tool call delta has its place, and its id and name
// only when they are new.
func (c *call) right() bool {
	args := inplace.First(c.Arguments)
	return string(c.Index) == strconv.Itoa(c.place) && (c.newID || c.ID == nil) && (c.newName || c.Name == nil) && (args == 0 || args == '"')
}

// appendDelta adds the choice's delta put right.
func (c *choice) appendDelta(to []byte) []byte {
	if inplace.First(c.Delta) == '{' && c.right() {
		return append(to, c.Delta...)
	}
	without := make([]string, 0, 2)
	to = append(to, '{')
	if flat(c.message.Content) {
		without = append(without, "content")
		to = append(inplace.AppendString(append(to, `"content":`...), text(c.message.Content)), ',')
	}
	if len(c.message.calls) > 0 {
		without = append(without, "tool_calls")
		to = append(to, `"tool_calls":[`...)
		for i := range c.message.calls {
			to = append(c.message.calls[i].appendDelta(to), ',')
		}
		to = append(inplace.Close(to, ']'), ',')
	}
	return inplace.Close(inplace.AppendRest(to, c.Delta, without...), '}')
}

// appendDelta adds a tool call delta put right.
func (c *call) appendDelta(to []byte) []byte {
	to = strconv.AppendInt(append(to, `{"index":`...), int64(c.place), 10)
	to = append(to, `,"function":{"arguments":`...)
	if inplace.First(c.Arguments) == '"' {
		to = append(to, c.Arguments...)
	} else {
		to = inplace.AppendString(to, text(c.Arguments))
	}
	without := []string{"arguments", "name"}
	if c.newName {
		without = without[:1]
	}
	to = inplace.Close(inplace.AppendRest(append(to, ','), c.Function, without...), '}')
	without = []string{"index", "function", "id", "type"}
	if c.newID {
		without = without[:2]
	}
	return inplace.Close(inplace.AppendRest(append(to, ','), c.All, without...), '}')
}

// reshape takes out of a completion what the caller did not ask for, and says
// how the answer ended where that was left out or wrong.
func (a *Answer) reshape(completion []byte, e *envelope, strip bool) []byte {
	if !strip && reason(e.Choices[0].Finish) == a.Finish {
		return completion
	}
	without := []string{"choices", "timings"}
	if !strip {
		without = without[:1]
	}
	out := append(make([]byte, 0, len(completion)+room), '{')
	out = append(inplace.AppendRest(out, completion, without...), `"choices":[`...)
	for i := range e.Choices {
		out = append(a.appendChoice(append(out, '{'), e.Choices[i].All, i == 0, strip), ',')
	}
	return append(inplace.Close(out, ']'), '}')
}

// appendChoice adds the rest of a choice of a completion; the first one is the
// answer's.
func (a *Answer) appendChoice(to []byte, choice json.RawMessage, first, strip bool) []byte {
	without := make([]string, 0, 2)
	if first {
		without = append(without, "finish_reason")
	}
	if strip {
		without = append(without, "logprobs")
	}
	to = inplace.AppendRest(to, choice, without...)
	if first {
		to = inplace.AppendString(append(to, `"finish_reason":`...), a.Finish)
	}
	return inplace.Close(to, '}')
}
