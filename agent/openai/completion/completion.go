package completion

import (
	"fmt"
	"strconv"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// Completion is the answer as the body of a plain reply.
func (a *Answer) Completion() []byte {
	out := make([]byte, 0, 320+len(a.ID)+len(a.Model)+len(a.Text())*9/8)
	out = inplace.AppendString(append(out, `{"id":`...), a.ID)
	out = strconv.AppendInt(append(out, `,"object":"chat.completion","created":`...), a.Created, 10)
	out = inplace.AppendString(append(out, `,"model":`...), a.Model)
	out = a.appendMessage(append(out, `,"choices":[{"index":0,"message":`...))
	out = inplace.AppendString(append(out, `,"finish_reason":`...), a.Finish)
	out = append(out, "}]"...)
	if a.Usage != nil {
		out = a.Usage.appendTo(append(out, `,"usage":`...))
	}
	return append(out, '}')
}

// appendMessage adds what was said as one message.
func (a *Answer) appendMessage(to []byte) []byte {
	to = append(to, `{"role":"assistant","content":`...)
	if text, some := a.content(); some {
		to = inplace.AppendString(to, text)
	} else {
		to = append(to, "null"...)
	}
	if a.Refused {
		to = inplace.AppendString(append(to, `,"refusal":`...), a.refusal.String())
	}
	return append(a.appendCalls(to, false), '}')
}

// appendDelta adds what was said as one delta.
func (a *Answer) appendDelta(to []byte) []byte {
	to = append(to, '{')
	if text, some := a.content(); some {
		to = append(inplace.AppendString(append(to, `"content":`...), text), ',')
	}
	if a.Refused {
		to = append(inplace.AppendString(append(to, `"refusal":`...), a.refusal.String()), ',')
	}
	to = append(to, `"role":"assistant"`...)
	return append(a.appendCalls(to, true), '}')
}

// content is the text, and whether there is one: not where the answer says
// something else.
func (a *Answer) content() (text string, some bool) {
	text = a.Text()
	return text, text != "" || !a.Refused && !a.HasCalls()
}

// appendCalls adds the tool calls as a further field, if there are any. Those of
// a chunk are numbered.
func (a *Answer) appendCalls(to []byte, numbered bool) []byte {
	if !a.HasCalls() {
		return to
	}
	to = append(to, `,"tool_calls":[`...)
	for i, t := range a.calls {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, '{')
		if numbered {
			to = append(strconv.AppendInt(append(to, `"index":`...), int64(i), 10), ',')
		}
		to = append(t.appendFields(to), '}')
	}
	return append(to, ']')
}

func (t *toolCall) appendFields(to []byte) []byte {
	if t.id != "" {
		to = append(inplace.AppendString(append(to, `"id":`...), t.id), ',')
	}
	if t.kind != "" {
		to = append(inplace.AppendString(append(to, `"type":`...), t.kind), ',')
	}
	to = append(to, `"function":{`...)
	if t.name != "" {
		to = append(inplace.AppendString(append(to, `"name":`...), t.name), ',')
	}
	to = inplace.AppendString(append(to, `"arguments":`...), t.args.String())
	return append(to, '}')
}

// appendTo adds the usage as the target sent it, else the counts.
func (u *Usage) appendTo(to []byte) []byte {
	if tight(u.raw) {
		return append(to, u.raw...)
	}
	return append(to, inplace.Encode(u)...)
}

// tight tells whether a value is there and written as encoding/json writes it,
// as most are that machines send.
func tight(raw []byte) bool {
	for _, c := range raw {
		switch {
		case c <= ' ', c > '~', c == '<', c == '>', c == '&':
			return false
		}
	}
	return raw != nil
}

// Parse reads the body of a plain reply. A body that is not a
// completion is [fault.ErrBroken]; one that says nothing is given with [fault.ErrEmpty].
func Parse(body []byte) (*Answer, error) {
	a, _, err := parse(body)
	return a, err
}

// Read reads the body of a plain reply as Parse does, and puts it right for the
// caller; strip takes out log-probabilities. The body is given with
// [fault.ErrEmpty], too.
func Read(body []byte, strip bool) (*Answer, []byte, error) {
	body = inplace.Mended(body)
	a, e, err := parse(body)
	if a != nil {
		body = a.reshape(body, e, strip)
	}
	return a, body, err
}

func parse(body []byte) (*Answer, *envelope, error) {
	e := &envelope{}
	if err := e.read(body); err != nil {
		return nil, nil, err
	}
	if e.failed() && len(e.Choices) == 0 {
		return nil, nil, fault.OfEvent(e.Error)
	}
	if len(e.Choices) == 0 || inplace.First(e.Choices[0].Delta) != '{' {
		return nil, nil, fmt.Errorf("%w: no choices", fault.ErrBroken)
	}
	a := &Answer{}
	if _, err := a.add(e); err != nil {
		return nil, nil, err
	}
	a.settle()
	if a.Empty() {
		return a, e, fault.ErrEmpty
	}
	return a, e, nil
}
