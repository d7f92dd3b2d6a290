package completion

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"nearside/agent/openai/inplace"
)

// Token is one generated token and the natural logarithm of its probability,
// which is not a number when the target did not tell it.
type Token struct {
	Text    string
	Logprob float64
}

// mostTokens is how many tokens of an answer are kept, far more than a model says
// at once.
const mostTokens = 1 << 17

// addTokens takes in the tokens of one choice. Where one of them is in an odd
// shape, nothing is known of any.
func (a *Answer) addTokens(logprobs json.RawMessage) {
	from := len(a.Tokens)
	in := inplace.Read(logprobs)
	for open := in.Object(); open && in.Member(); {
		if string(in.Name) != "content" {
			continue
		}
		a.Tokens = a.Tokens[:from]
		if in.List() && !a.listTokens(&in) {
			a.Tokens = a.Tokens[:from]
		}
	}
}

// listTokens reads a list that was entered, and tells whether all of it is as it
// should be.
func (a *Answer) listTokens(in *inplace.Reader) bool {
	well := true
	for in.Element() {
		t, ok := readToken(in)
		if well = well && ok; well && len(a.Tokens) < mostTokens {
			a.Tokens = append(a.Tokens, t)
		}
	}
	return well
}

// readToken reads the token that is next; a probability may be absent or null.
func readToken(in *inplace.Reader) (t Token, ok bool) {
	var text, logprob json.RawMessage
	for open := in.Object(); open && in.Member(); {
		switch string(in.Name) {
		case "token":
			text = in.Value()
		case "logprob":
			logprob = in.Value()
		}
	}
	t = Token{inplace.String(text), math.NaN()}
	if c := inplace.First(logprob); c != 0 && c != 'n' {
		n, err := strconv.ParseFloat(string(logprob), 64)
		if err != nil {
			return t, false
		}
		t.Logprob = n
	}
	return t, inplace.First(text) == '"'
}

// Usage counts tokens, as the target counted them.
type Usage struct {
	In, Out int

	raw json.RawMessage // with the details a target adds
}

// readUsage reads the value that is next: the counts, and the rest to be kept
// for the caller, unless a count is in a shape callers do not expect. The usage
// is nil for anything but an object.
func readUsage(in *inplace.Reader) (raw json.RawMessage, u *Usage) {
	from := in.At()
	if !in.Object() {
		return in.Value(), nil
	}
	u = &Usage{}
	usual := [2]bool{true, true}
	for in.Member() {
		switch string(in.Name) {
		case "prompt_tokens":
			u.In, usual[0] = tally(in.Value())
		case "completion_tokens":
			u.Out, usual[1] = tally(in.Value())
		}
	}
	raw = in.Since(from)
	if usual[0] && usual[1] {
		u.raw = raw
	}
	return raw, u
}

// tally is a count of tokens, and whether it is written as such.
func tally(raw json.RawMessage) (n int, usual bool) {
	if n, ok := inplace.Digits(raw); ok {
		return int(n), true
	}
	n = int(count(raw))
	return n, string(raw) == strconv.Itoa(n)
}

// MarshalJSON gives the usage as the target sent it, else the counts.
func (u *Usage) MarshalJSON() ([]byte, error) {
	if u.raw != nil {
		return u.raw, nil
	}
	return json.Marshal(map[string]int{"prompt_tokens": u.In, "completion_tokens": u.Out, "total_tokens": u.In + u.Out})
}

// Answer is what a target said: all of it for a plain reply, what was read so
// far for a stream.
type Answer struct {
	ID      string
	Created int64
	Model   string
	Finish  string // stop, length, tool_calls, content_filter; "" until it ended
	Refused bool   // the model used the refusal field
	Tokens  []Token
	Usage   *Usage

	text    strings.Builder
	said    bool // some of it is no blank
	refusal strings.Builder
	calls   []*toolCall
	index   int64 // of the choice that is the answer
	begun   bool  // a choice was seen
	other   bool  // it says something that is not kept here, such as sound
	parts   int   // messages or deltas that took it on, thoughts too
}

// toolCall is a tool call as far as it was read.
type toolCall struct {
	index          int64 // as the target counts
	id, kind, name string
	args           strings.Builder
}

// Text is the content so far.
func (a *Answer) Text() string { return a.text.String() }

// Calls are the tool calls so far: the names of the tools, and their arguments.
func (a *Answer) Calls(yield func(name, arguments string) bool) {
	for _, t := range a.calls {
		if !yield(t.name, t.args.String()) {
			return
		}
	}
}

// HasCalls tells whether the answer calls tools.
func (a *Answer) HasCalls() bool { return len(a.calls) > 0 }

// Empty tells whether it ended by itself without saying anything. Blanks and
// thoughts are not an answer.
func (a *Answer) Empty() bool {
	return a.silent() && a.Finish != "length" && a.Finish != "content_filter"
}

func (a *Answer) silent() bool {
	return !a.Refused && !a.other && !a.HasCalls() && !a.said
}

// add takes in one completion or chunk. It returns the place of the choice
// that belongs to the answer, which is the first one seen; -1 for none. Too many
// tool calls are [fault.ErrBroken].
func (a *Answer) add(e *envelope) (int, error) {
	if a.ID == "" {
		a.ID, a.Created, a.Model = text(e.ID), count(e.Created), text(e.Model)
	}
	if e.counts != nil {
		a.Usage = e.counts
	}
	for i := range e.Choices {
		n := count(e.Choices[i].Index)
		if !a.begun {
			a.index, a.begun = n, true
		}
		if n == a.index {
			c := &e.Choices[i]
			err := c.message.readCalls(e.calls[:0])
			e.calls = c.message.calls
			if err == nil {
				err = a.addChoice(c)
			}
			return i, err
		}
	}
	return -1, nil
}

// addChoice takes in one choice. One that calls too many tools does not end the
// answer, whatever it says.
func (a *Answer) addChoice(c *choice) error {
	if a.addMessage(c); len(a.calls) > maxCalls {
		return errCalls
	}
	a.addTokens(c.Logprobs)
	if f := reason(c.Finish); f != "" {
		a.Finish = f
	}
	return nil
}

func (a *Answer) addMessage(c *choice) {
	m := &c.message
	was := a.text.Len()
	content, refusal := speak(&a.text, m.Content), speak(&a.refusal, m.Refusal)
	a.said = a.said || strings.TrimSpace(a.Text()[was:]) != ""
	a.Refused = a.Refused || refusal
	for i := range m.calls {
		a.addCall(i, &m.calls[i])
	}
	silent := a.silent()
	if silent {
		a.other = m.other
	}
	if silent && m.thought || (!silent || a.other) && (content || refusal || len(m.calls) > 0 || a.other) {
		a.parts++
	}
}

// addCall merges a tool call delta, the i-th of its message: index says which
// call it continues; id and name come with the first part only. Servers number
// from 0, from 1 or not at all, so that a new id begins a new call.
func (a *Answer) addCall(i int, c *call) {
	index, id := int64(i), text(c.ID)
	if !blank(c.Index) {
		index = count(c.Index)
	}
	c.place = len(a.calls) - 1
	for ; c.place >= 0; c.place-- {
		if old := a.calls[c.place]; old.index == index && (id == "" || old.id == "" || id == old.id) {
			break
		}
	}
	if c.place < 0 {
		c.place = len(a.calls)
		a.calls = append(a.calls, &toolCall{index: index})
	}
	t := a.calls[c.place]
	c.newID, c.newName = t.id == "", t.name == ""
	t.id, t.kind, t.name = cmp.Or(t.id, id), cmp.Or(t.kind, text(c.Type)), cmp.Or(t.name, text(c.Name))
	speak(&t.args, c.Arguments)
}

// settle gives an answer that is whole the reason it ended for, when it never
// said one or called tools and said something else.
func (a *Answer) settle() {
	switch {
	case a.HasCalls() && (a.Finish == "" || a.Finish == "stop"):
		a.Finish = "tool_calls"
	case a.Finish == "":
		a.Finish = "stop"
	}
}

// Opaque is an answer that is a body and no text: what is known of it beside
// that. Values in odd shapes are passed over.
func Opaque(model, usage json.RawMessage) *Answer {
	in := inplace.Read(usage)
	_, counts := readUsage(&in)
	return &Answer{Model: inplace.String(model), Usage: counts}
}
