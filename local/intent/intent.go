// Package intent is tier 0 of the device: a gate as a local target of its own.
// It answers the service [Service], `{"text":...}` in and
// `{"intent":...,"confidence":...}` out, in microseconds and without an engine,
// and tells the agent what a question asks for. A gate can be exchanged while
// requests run.
package intent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/rolling"
	"nearside/policy/gate"
)

// Service is what the target answers.
const Service = "intent"

// Target answers with the gate it holds. The zero Target has none and answers
// nothing. Its methods may be called from any goroutine.
type Target struct {
	held    atomic.Pointer[Held]
	figures rolling.Figures
}

// Held is a gate, or why there is none.
type Held struct {
	Name      string     // local/NAME; "" is no target
	Gate      *gate.Gate // nil when it cannot be used
	Threshold float64    // confidence from which its intent is taken as right
	Why       string     // the gate cannot be used, or is not the one of the file
}

// Hold puts another gate in the place of the one there is.
func (t *Target) Hold(h Held) { t.held.Store(&h) }

// Held is the gate in force.
func (t *Target) Held() Held {
	if h := t.held.Load(); h != nil {
		return *h
	}
	return Held{}
}

// Scope tells what a text asks for, P(in scope and this intent), and the P from
// which that is taken as right. ok is false when there is no gate.
func (t *Target) Scope(text string) (intent string, p, least float64, ok bool) {
	h := t.Held()
	if h.Gate == nil {
		return "", 0, 0, false
	}
	v := h.Gate.Classify(text)
	return v.Intent, v.Confidence, h.Threshold, true
}

// answer is the reply's body.
type answer struct {
	Intent     string  `json:"intent"`
	Confidence float64 `json:"confidence"`
}

// Chat answers a request of [Service]; the reply says how sure it is.
func (t *Target) Chat(_ context.Context, call openai.Call) (*openai.Reply, error) {
	start := time.Now()
	t.figures.Begin()
	reply, err := t.ask(call.Request)
	took := time.Since(start)
	t.figures.End(took, err != nil, true)
	call.Tried(openai.Attempt{Target: call.Targets[0], Start: start, Took: took, Result: fault.Result(err), Err: err})
	return reply, err
}

func (t *Target) ask(r *openai.Request) (*openai.Reply, error) {
	h := t.Held()
	if h.Gate == nil {
		return nil, fault.ErrDown
	}
	text, err := Text(r.Field("body"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fault.ErrUnfit, err)
	}
	v := h.Gate.Classify(text)
	body, err := json.Marshal(answer{v.Intent, v.Confidence})
	if err != nil {
		return nil, fmt.Errorf("write the intent: %w", err)
	}
	return &openai.Reply{
		Target: h.Name, Body: body, Answer: completion.Opaque(nil, nil), Sure: &v.Confidence,
	}, nil
}

// Text is what is to be classified, of the body of a request.
func Text(body []byte) (string, error) {
	var b struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(body, &b); err != nil || b.Text == nil || strings.TrimSpace(*b.Text) == "" {
		return "", fmt.Errorf(`text: must be a string with something in it; such as {"text":"roll down my window"}`)
	}
	return *b.Text, nil
}

// Check tells whether the body of a request is as [Text] wants it.
func Check(body []byte) error {
	_, err := Text(body)
	return err
}

// Summary are the figures of its latest calls.
func (t *Target) Summary() rolling.Summary { return t.figures.Summary() }
