package local

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"nearside/agent/openai"
)

// passed are the fields of a caller's request that may reach a local engine.
// Everything else is left out: engines have fields that reach into memory,
// files and grammars.
var passed = []string{
	"temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed",
	"tools", "tool_choice", "response_format",
}

// understood are fields that are honoured in another form, or mean nothing here.
var understood = []string{
	"model", "messages", "stream", "stream_options", "logprobs", "top_logprobs",
	"max_tokens", "max_completion_tokens", "n", "user", "store", "metadata",
}

// maxTokens bounds an answer whose caller set no bound.
const maxTokens = 512

// body rebuilds the request for the engine: allowed fields of the caller, then
// the model's own system prompt and sampling where the caller gave none, then
// what nearside itself needs to judge the answer. A server somebody else runs
// may not know the engine's own fields.
func (m *Model) body(r *openai.Request, child bool) []byte {
	set := map[string]any{"model": m.Name, "messages": m.messages(r), "stream": r.Stream}
	if child {
		set["n_probs"] = max(1, r.TopLogprobs) // logprobs would be refused beside tools in a stream
		set["max_tokens"] = maxTokens
	} else if !r.Tools {
		set["logprobs"] = true
		set["top_logprobs"] = r.TopLogprobs
	}
	for name, v := range m.Sampling {
		if r.Field(name) == nil {
			set[name] = v
		}
	}
	if r.MaxTokens > 0 {
		set["max_tokens"] = r.MaxTokens
	}
	if r.Stream {
		set["stream_options"] = map[string]bool{"include_usage": true}
	}
	return r.Only(passed, set)
}

// messages are the turns, each rebuilt from the fields of the wire; the
// model's own system prompt comes first where the caller gave none.
func (m *Model) messages(r *openai.Request) []openai.Message {
	turns := slices.Clone(r.Messages)
	for i := range turns {
		turns[i] = rebuilt(turns[i])
	}
	if m.System == "" || r.HasRole("system", "developer") {
		return turns
	}
	text, _ := json.Marshal(m.System)
	return append([]openai.Message{{Role: "system", Content: text}}, turns...)
}

// rebuilt is a message in the engine's words. A list of parts becomes its text
// and a tool call what every engine knows, so that nothing else gets through.
func rebuilt(m openai.Message) openai.Message {
	if m.Role == "developer" { // newer name; chat templates know the older one
		m.Role = "system"
	}
	if bytes.HasPrefix(bytes.TrimSpace(m.Content), []byte("[")) {
		m.Content, _ = json.Marshal(m.Text())
	}
	var calls []toolCall
	_ = json.Unmarshal(m.Calls, &calls) // what has another form is left out
	m.Calls = nil
	if len(calls) > 0 {
		m.Calls, _ = json.Marshal(calls)
	}
	return m
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Bounds on what a caller is told of the fields that were left out.
const (
	maxIgnored     = 20
	maxIgnoredName = 64
)

// ignored lists what the caller sent and the engine does not get.
func ignored(r *openai.Request) []string {
	var names []string
	for _, n := range r.Names() {
		if slices.Contains(passed, n) || slices.Contains(understood, n) {
			continue
		}
		if len(names) == maxIgnored {
			return append(names, "...")
		}
		names = append(names, printable(n))
	}
	return names
}

// printable is a name that can stand in a header and a log, on one line.
func printable(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	if len(clean) > maxIgnoredName {
		return clean[:maxIgnoredName] + "..."
	}
	return clean
}
