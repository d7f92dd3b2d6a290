package chat

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// A Request is a chat completion call that passed all checks.
type Request struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           int    `json:"max_tokens"`
	MaxCompletionTokens int    `json:"max_completion_tokens"`
	Logprobs            bool   `json:"logprobs"`
	TopLogprobs         int    `json:"top_logprobs"`
	Tools               []tool `json:"tools"`
	ToolChoice          choice `json:"tool_choice"`
	ParallelToolCalls   *bool  `json:"parallel_tool_calls"`
	ResponseFormat      struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Name   string         `json:"name"`
			Schema map[string]any `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string         `json:"name"`
		Parameters map[string]any `json:"parameters"`
	} `json:"function"`
}

// A choice is tool_choice: a mode, or the mode "function" and its name.
type choice struct{ mode, name string }

// UnmarshalJSON takes both forms of tool_choice.
func (c *choice) UnmarshalJSON(raw []byte) error {
	if kindOf(raw) == 's' {
		return json.Unmarshal(raw, &c.mode)
	}
	var t tool
	if err := json.Unmarshal(raw, &t); err != nil {
		return err
	}
	c.mode, c.name = t.Type, t.Function.Name
	return nil
}

// question is the text of the last user message.
func (q Request) question() string {
	for _, m := range slices.Backward(q.Messages) {
		if m.Role == "user" {
			return m.text()
		}
	}
	return ""
}

// Parse reads a chat request as strictly as OpenAI does. The Failure is nil if
// the request is good; whether its model exists is for the caller to say.
func Parse(body []byte) (Request, *Failure) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(body, &raw) != nil || raw == nil {
		return Request{}, invalid("", "", "We could not parse the JSON body of your request. "+
			"The API expects a JSON payload, but what was sent was not a valid JSON object.")
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if bad := checkField(name, raw[name]); bad != nil {
			return Request{}, bad
		}
	}
	var q Request
	if err := json.Unmarshal(body, &q); err != nil {
		return Request{}, mistyped(err)
	}
	for _, check := range []func(Request) *Failure{
		checkNeeded, checkMessages, checkTools, checkFormat, checkOptions,
	} {
		if bad := check(q); bad != nil {
			return Request{}, bad
		}
	}
	return q, nil
}

// mistyped turns a decoding error inside a field into a 400.
func mistyped(err error) *Failure {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return invalid("", "", "We could not parse the JSON body of your request: %v", err)
	}
	return invalid(wrong.Field, "invalid_type", "Invalid type for '%s': got %s instead.", wrong.Field, wrong.Value)
}

func checkNeeded(q Request) *Failure {
	switch {
	case q.Model == "":
		return invalid("", "", "you must provide a model parameter")
	case q.Messages == nil:
		return invalid("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	case len(q.Messages) == 0:
		return invalid("messages", "empty_array", "Invalid 'messages': empty array. "+
			"Expected an array with minimum length 1, but got an empty array instead.")
	}
	return nil
}

func checkOptions(q Request) *Failure {
	if q.StreamOptions.IncludeUsage && !q.Stream {
		return invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	if q.TopLogprobs > 0 && !q.Logprobs {
		return invalid("top_logprobs", "", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	return nil
}

func checkFormat(q Request) *Failure {
	switch q.ResponseFormat.Type {
	case "", "text":
		return nil
	case "json_object":
		for _, m := range q.Messages {
			if strings.Contains(strings.ToLower(m.text()), "json") {
				return nil
			}
		}
		return invalid("messages", "", "'messages' must contain the word 'json' in some form, "+
			"to use 'response_format' of type 'json_object'.")
	case "json_schema":
		if q.ResponseFormat.JSONSchema.Name == "" || q.ResponseFormat.JSONSchema.Schema == nil {
			return invalid("response_format.json_schema", "missing_required_parameter",
				"Missing required parameter: 'response_format.json_schema'.")
		}
		return nil
	}
	return invalid("response_format.type", "invalid_value", "Invalid value: '%s'. "+
		"Supported values are: 'json_object', 'json_schema', and 'text'.", q.ResponseFormat.Type)
}

func checkTools(q Request) *Failure {
	var names []string
	for i, t := range q.Tools {
		if t.Type != "function" || t.Function.Name == "" {
			return invalid(at("tools[%d]", i), "invalid_value", "Invalid 'tools[%d]': expected a function with a name.", i)
		}
		names = append(names, t.Function.Name)
	}
	switch c := q.ToolChoice; {
	case c.mode == "":
		return nil
	case len(names) == 0:
		return invalid("tool_choice", "", "'tool_choice' is only allowed when 'tools' are specified.")
	case c.mode == "function" && !slices.Contains(names, c.name):
		return invalid("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", c.name)
	case !slices.Contains([]string{"none", "auto", "required", "function"}, c.mode):
		return invalid("tool_choice", "invalid_value", "Invalid value: '%s'. "+
			"Supported values are: 'none', 'auto', and 'required'.", c.mode)
	}
	return nil
}

// WantsStream says whether a body asks for a stream, sound or not.
func WantsStream(body []byte) bool {
	var peek struct {
		Stream bool `json:"stream"`
	}
	return json.Unmarshal(body, &peek) == nil && peek.Stream
}
