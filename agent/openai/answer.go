package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Token is one generated token and the natural logarithm of its probability.
type Token struct {
	Text    string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

// Usage counts tokens, as the target counted them.
type Usage struct {
	In, Out int

	raw json.RawMessage // with the details a target adds
}

// UnmarshalJSON reads the counts and keeps the rest for the caller.
func (u *Usage) UnmarshalJSON(b []byte) error {
	var wire struct {
		In  int `json:"prompt_tokens"`
		Out int `json:"completion_tokens"`
	}
	if err := json.Unmarshal(b, &wire); err != nil {
		return err
	}
	*u = Usage{In: wire.In, Out: wire.Out, raw: slices.Clone(b)}
	return nil
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
	refusal strings.Builder
	calls   []call
	parts   int // deltas that carried something a caller would see
}

// Text is the content so far.
func (a *Answer) Text() string { return a.text.String() }

// HasCalls tells whether the answer calls tools.
func (a *Answer) HasCalls() bool { return len(a.calls) > 0 }

// Empty tells whether it ended by itself without saying anything.
func (a *Answer) Empty() bool {
	return a.parts == 0 && a.Finish != "length" && a.Finish != "content_filter"
}

type call struct {
	Index    *int   `json:"index,omitempty"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type message struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content"`
	Refusal *string `json:"refusal,omitempty"`
	Calls   []call  `json:"tool_calls,omitempty"`
}

type choice struct {
	Index    int      `json:"index"`
	Message  *message `json:"message,omitempty"`
	Delta    *message `json:"delta,omitempty"`
	Finish   *string  `json:"finish_reason"`
	Logprobs *struct {
		Content []Token `json:"content"`
	} `json:"logprobs,omitempty"`
}

// envelope is a completion or a chunk: they differ in message and delta.
type envelope struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   *Usage          `json:"usage,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// failed tells whether it is an error instead.
func (e *envelope) failed() bool { return len(e.Error) > 0 && string(e.Error) != "null" }

// add takes in one completion or chunk.
func (a *Answer) add(e *envelope) {
	if a.ID == "" {
		a.ID, a.Created, a.Model = e.ID, e.Created, e.Model
	}
	if e.Usage != nil {
		a.Usage = e.Usage
	}
	for _, c := range e.Choices {
		if c.Index == 0 {
			a.addChoice(c)
		}
	}
}

func (a *Answer) addChoice(c choice) {
	for _, m := range []*message{c.Message, c.Delta} {
		if m != nil {
			a.addMessage(m)
		}
	}
	if c.Logprobs != nil {
		a.Tokens = append(a.Tokens, c.Logprobs.Content...)
	}
	if c.Finish != nil && *c.Finish != "" {
		a.Finish = *c.Finish
	}
}

func (a *Answer) addMessage(m *message) {
	if m.Content != nil && *m.Content != "" {
		a.text.WriteString(*m.Content)
		a.parts++
	}
	if m.Refusal != nil && *m.Refusal != "" {
		a.refusal.WriteString(*m.Refusal)
		a.Refused = true
		a.parts++
	}
	for i, c := range m.Calls {
		a.addCall(i, c)
		a.parts++
	}
}

// addCall merges a tool call delta, the i-th of its message: index says which
// call it continues; id and name come with the first part only. Servers number
// from 0, from 1 or not at all, so that a new id begins a new call.
func (a *Answer) addCall(i int, c call) {
	if c.Index == nil {
		c.Index = &i
	}
	for k := range slices.Backward(a.calls) {
		if old := &a.calls[k]; *old.Index == *c.Index && (c.ID == "" || c.ID == old.ID) {
			old.Function.Arguments += c.Function.Arguments
			return
		}
	}
	a.calls = append(a.calls, c)
}

// settle gives an answer that is whole, but never said why it ended, a reason.
func (a *Answer) settle() {
	switch {
	case a.Finish != "":
	case a.HasCalls():
		a.Finish = "tool_calls"
	default:
		a.Finish = "stop"
	}
}

// whole is the answer as one message. Its content is null where it says
// something else than text.
func (a *Answer) whole() *message {
	m := &message{Role: "assistant"}
	if text := a.Text(); text != "" || !a.Refused && !a.HasCalls() {
		m.Content = &text
	}
	if a.Refused {
		refusal := a.refusal.String()
		m.Refusal = &refusal
	}
	for i, c := range a.calls {
		c.Index = &i
		m.Calls = append(m.Calls, c)
	}
	return m
}

// Completion is the answer as the body of a plain reply.
func (a *Answer) Completion() []byte {
	m := a.whole()
	for i := range m.Calls {
		m.Calls[i].Index = nil // only chunks number their calls
	}
	out := map[string]any{
		"id": a.ID, "object": "chat.completion", "created": a.Created, "model": a.Model,
		"choices": []choice{{Message: m, Finish: &a.Finish}},
	}
	if a.Usage != nil {
		out["usage"] = a.Usage
	}
	return mustJSON(out)
}

// ParseCompletion reads the body of a plain reply. A body that is not a
// completion is [ErrBroken], one that says nothing [ErrEmpty].
func ParseCompletion(body []byte) (*Answer, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBroken, err)
	}
	if e.failed() && len(e.Choices) == 0 {
		return nil, streamError(e.Error)
	}
	if len(e.Choices) == 0 || e.Choices[0].Message == nil {
		return nil, fmt.Errorf("%w: no choices", ErrBroken)
	}
	a := &Answer{}
	a.add(&e)
	a.settle()
	if a.Empty() {
		return nil, ErrEmpty
	}
	return a, nil
}
