package chat

import (
	"encoding/json"
	"strings"
)

// A field is what OpenAI takes for one parameter: kinds of JSON by letter
// (string, number, integer, boolean, array, object) and, for numbers, limits.
type field struct {
	kinds    string
	min, max float64
}

// fieldOf knows every parameter of a chat completion.
func fieldOf(name string) (f field, known bool) {
	switch name {
	case "model", "user", "service_tier", "reasoning_effort", "verbosity", "safety_identifier",
		"prompt_cache_key", "prompt_cache_retention":
		return field{kinds: "s"}, true
	case "messages", "tools", "functions", "modalities":
		return field{kinds: "a"}, true
	case "stream", "logprobs", "store", "parallel_tool_calls":
		return field{kinds: "b"}, true
	case "stream_options", "response_format", "logit_bias", "metadata", "prediction", "audio", "web_search_options":
		return field{kinds: "o"}, true
	case "tool_choice", "function_call":
		return field{kinds: "so"}, true
	case "stop":
		return field{kinds: "sa"}, true
	}
	return numberOf(name)
}

func numberOf(name string) (f field, known bool) {
	const large = 1 << 53
	switch name {
	case "temperature":
		return field{"n", 0, 2}, true
	case "top_p":
		return field{"n", 0, 1}, true
	case "presence_penalty", "frequency_penalty":
		return field{"n", -2, 2}, true
	case "top_logprobs":
		return field{"i", 0, 20}, true
	case "max_tokens", "max_completion_tokens":
		return field{"i", 1, large}, true
	case "n": // the fake gives one answer
		return field{"i", 1, 1}, true
	case "seed":
		return field{"i", -large, large}, true
	}
	return field{}, false
}

// checkField judges one parameter by itself.
func checkField(name string, raw json.RawMessage) *Failure {
	f, known := fieldOf(name)
	if !known {
		return invalid(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
	}
	got := kindOf(raw)
	needed := name == "model" || name == "messages"
	if got == '0' && !needed {
		return nil
	}
	if !f.takes(got) {
		return invalid(name, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.",
			name, f.words(), kindWord(got))
	}
	if got == 'n' {
		return f.checkNumber(name, raw)
	}
	return nil
}

func (f field) takes(kind byte) bool {
	return strings.IndexByte(f.kinds, kind) >= 0 || kind == 'n' && f.kinds == "i"
}

func (f field) checkNumber(name string, raw json.RawMessage) *Failure {
	var v float64
	if json.Unmarshal(raw, &v) != nil {
		return invalid(name, "invalid_type", "Invalid type for '%s': the number is out of range.", name)
	}
	word := "decimal"
	if f.kinds == "i" {
		word = "integer"
	}
	switch {
	case f.kinds == "i" && v != float64(int64(v)):
		return invalid(name, "invalid_type", "Invalid type for '%s': expected an integer, but got a decimal number instead.", name)
	case v < f.min:
		return invalid(name, word+"_below_min_value", "Invalid '%s': %s below minimum value. "+
			"Expected a value >= %v, but got %s instead.", name, word, f.min, raw)
	case v > f.max:
		return invalid(name, word+"_above_max_value", "Invalid '%s': %s above maximum value. "+
			"Expected a value <= %v, but got %s instead.", name, word, f.max, raw)
	}
	return nil
}

func (f field) words() string {
	var words []string
	for i := range len(f.kinds) {
		words = append(words, kindWord(f.kinds[i]))
	}
	return strings.Join(words, " or ")
}

// kindOf is the letter of a JSON value's kind; '0' is null or nothing.
func kindOf(raw []byte) byte {
	if len(raw) == 0 {
		return '0'
	}
	switch raw[0] {
	case '"':
		return 's'
	case '[':
		return 'a'
	case '{':
		return 'o'
	case 't', 'f':
		return 'b'
	case 'n':
		return '0'
	}
	return 'n'
}

func kindWord(kind byte) string {
	switch kind {
	case 's':
		return "a string"
	case 'a':
		return "an array"
	case 'o':
		return "an object"
	case 'b':
		return "a boolean"
	case 'i':
		return "an integer"
	case '0':
		return "null"
	}
	return "a number"
}
