package chat

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// An Envelope is what a completion and each of its chunks begin with.
type Envelope struct {
	ID                string `json:"id"`
	Object            string `json:"object"`
	Created           int64  `json:"created"`
	Model             string `json:"model"`
	ServiceTier       string `json:"service_tier"`
	SystemFingerprint string `json:"system_fingerprint"`
}

// A Completion is the body of a plain answer.
type Completion struct {
	Envelope
	Choices []messageChoice `json:"choices"`
	Usage   usage           `json:"usage"`
}

type messageChoice struct {
	Index        int            `json:"index"`
	Message      map[string]any `json:"message"`
	Logprobs     *logprobs      `json:"logprobs"`
	FinishReason string         `json:"finish_reason"`
}

// A Chunk is the data of one event of a streamed answer.
type Chunk struct {
	Envelope
	Choices []deltaChoice   `json:"choices"`
	Usage   json.RawMessage `json:"usage,omitempty"` // absent, null or a usage
}

type deltaChoice struct {
	Index        int            `json:"index"`
	Delta        map[string]any `json:"delta"`
	Logprobs     *logprobs      `json:"logprobs"`
	FinishReason nullable       `json:"finish_reason"`
}

type usage struct {
	PromptTokens     int            `json:"prompt_tokens"`
	CompletionTokens int            `json:"completion_tokens"`
	TotalTokens      int            `json:"total_tokens"`
	PromptDetails    map[string]int `json:"prompt_tokens_details"`
	AnswerDetails    map[string]int `json:"completion_tokens_details"`
}

type logprobs struct {
	Content []logprob `json:"content"`
	Refusal *struct{} `json:"refusal"` // always null
}

type logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"`
	Bytes   []int     `json:"bytes"`
	Top     []logprob `json:"top_logprobs,omitempty"`
}

func (a Answer) usage() usage {
	return usage{
		PromptTokens:     a.prompt,
		CompletionTokens: a.Tokens(),
		TotalTokens:      a.prompt + a.Tokens(),
		PromptDetails:    map[string]int{"cached_tokens": 0, "audio_tokens": 0},
		AnswerDetails:    map[string]int{"reasoning_tokens": 0, "audio_tokens": 0},
	}
}

// logprobsOf is nil unless the request asks for them.
func logprobsOf(q Request, tokens []string) *logprobs {
	if !q.Logprobs {
		return nil
	}
	list := &logprobs{}
	for _, token := range tokens {
		l := newLogprob(token, float64(hash(token)%500)/1000)
		for rank := range q.TopLogprobs {
			rival := token + strings.Repeat("~", rank)
			l.Top = append(l.Top, newLogprob(rival, -l.Logprob+float64(rank)))
		}
		list.Content = append(list.Content, l)
	}
	return list
}

func newLogprob(token string, surprise float64) logprob {
	l := logprob{Token: token, Logprob: -math.Abs(surprise)}
	for _, b := range []byte(token) {
		l.Bytes = append(l.Bytes, int(b))
	}
	return l
}

// Whole is the answer as one JSON body.
func Whole(head Envelope, q Request, a Answer) Completion {
	message := map[string]any{"role": "assistant", "content": a.text(), "refusal": nil, "annotations": []any{}}
	if len(a.tools) > 0 {
		message["content"] = nil
		message["tool_calls"] = callsOnWire(a.tools)
	}
	return Completion{
		Envelope: head,
		Choices: []messageChoice{{
			Message:      message,
			Logprobs:     logprobsOf(q, a.pieces),
			FinishReason: a.finish,
		}},
		Usage: a.usage(),
	}
}

func callsOnWire(tools []toolCall) []any {
	var calls []any
	for _, t := range tools {
		function := map[string]any{"name": t.name, "arguments": strings.Join(t.arguments, "")}
		calls = append(calls, map[string]any{"id": t.id, "type": "function", "function": function})
	}
	return calls
}

// Chunks is the streamed answer: a role, the pieces, the finish and, if asked
// for, the usage. last is the index of the finishing chunk.
func Chunks(head Envelope, q Request, a Answer) (list []Chunk, last int) {
	add := func(c deltaChoice) { list = append(list, Chunk{Envelope: head, Choices: []deltaChoice{c}}) }
	if len(a.tools) == 0 {
		add(deltaChoice{Delta: map[string]any{"role": "assistant", "content": "", "refusal": nil}})
	}
	for _, piece := range a.pieces {
		add(deltaChoice{Delta: map[string]any{"content": piece}, Logprobs: logprobsOf(q, []string{piece})})
	}
	for i, t := range a.tools {
		for _, d := range toolDeltas(i, t) {
			add(deltaChoice{Delta: d})
		}
	}
	add(deltaChoice{Delta: map[string]any{}, FinishReason: nullable(a.finish)})
	last = len(list) - 1
	if q.StreamOptions.IncludeUsage {
		list = append(withNullUsage(list), usageChunk(head, a))
	}
	return list, last
}

// toolDeltas introduces call i once, then streams its arguments.
func toolDeltas(i int, t toolCall) []map[string]any {
	first := map[string]any{
		"index": i, "id": t.id, "type": "function",
		"function": map[string]any{"name": t.name, "arguments": ""},
	}
	deltas := []map[string]any{{"tool_calls": []any{first}}}
	if i == 0 {
		deltas[0]["role"], deltas[0]["content"], deltas[0]["refusal"] = "assistant", nil, nil
	}
	for _, piece := range t.arguments {
		more := map[string]any{"index": i, "function": map[string]any{"arguments": piece}}
		deltas = append(deltas, map[string]any{"tool_calls": []any{more}})
	}
	return deltas
}

func withNullUsage(list []Chunk) []Chunk {
	list = slices.Clone(list)
	for i := range list {
		list[i].Usage = json.RawMessage("null")
	}
	return list
}

func usageChunk(head Envelope, a Answer) Chunk {
	raw, err := json.Marshal(a.usage())
	if err != nil { // numbers only
		panic(err)
	}
	return Chunk{Envelope: head, Choices: []deltaChoice{}, Usage: raw}
}
