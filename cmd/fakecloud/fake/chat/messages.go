package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type message struct {
	Role       string            `json:"role"`
	Content    json.RawMessage   `json:"content"`
	ToolCalls  []json.RawMessage `json:"tool_calls"`
	ToolCallID string            `json:"tool_call_id"`
}

type part struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// text is all text of the message, of its parts too.
func (m message) text() string {
	var text string
	if kindOf(m.Content) == 's' {
		_ = json.Unmarshal(m.Content, &text) // it was parsed once already
		return text
	}
	var texts []string
	for _, p := range m.parts() {
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n")
}

// parts is the content as a list, nil if it is not one.
func (m message) parts() []part {
	var parts []part
	if json.Unmarshal(m.Content, &parts) != nil {
		return nil
	}
	return parts
}

// checkMessages judges roles, contents and the order of tool results.
func checkMessages(q Request) *Failure {
	called := false // the message before was a call of tools, or one of its results
	for i, m := range q.Messages {
		if bad := m.check(i); bad != nil {
			return bad
		}
		if m.Role == "tool" && !called {
			return invalid(at("messages.[%d].role", i), "", "Invalid parameter: messages with role 'tool' "+
				"must be a response to a preceding message with 'tool_calls'.")
		}
		called = m.Role == "tool" || len(m.ToolCalls) > 0
	}
	return nil
}

func (m message) check(i int) *Failure {
	roles := []string{"system", "developer", "user", "assistant", "tool", "function"}
	kind := kindOf(m.Content)
	switch {
	case !slices.Contains(roles, m.Role):
		return invalid(at("messages[%d].role", i), "invalid_value", "Invalid value: '%s'. "+
			"Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
	case m.Role == "tool" && m.ToolCallID == "":
		return invalid(at("messages[%d].tool_call_id", i), "missing_required_parameter",
			"Missing required parameter: 'messages[%d].tool_call_id'.", i)
	case kind == '0' && m.Role == "assistant" && len(m.ToolCalls) > 0:
		return nil
	case kind == '0':
		return invalid(at("messages.[%d].content", i), "", "Invalid value for 'content': expected a string, got null.")
	case kind != 's' && kind != 'a':
		return invalid(at("messages[%d].content", i), "invalid_type", "Invalid type for 'messages[%d].content': "+
			"expected one of a string or array of objects, but got %s instead.", i, kindWord(kind))
	case kind == 'a':
		return m.checkParts(i)
	}
	return nil
}

func (m message) checkParts(i int) *Failure {
	parts := m.parts()
	if len(parts) == 0 {
		return invalid(at("messages[%d].content", i), "invalid_type", "Invalid 'messages[%d].content': "+
			"expected an array of objects with minimum length 1.", i)
	}
	types := []string{"text", "image_url", "input_audio", "refusal", "file"}
	for j, p := range parts {
		if !slices.Contains(types, p.Type) {
			return invalid(fmt.Sprintf("messages[%d].content[%d].type", i, j), "invalid_value", "Invalid value: '%s'. "+
				"Supported values are: 'text', 'image_url', 'input_audio', 'refusal', and 'file'.", p.Type)
		}
	}
	return nil
}

// at names one element of a list.
func at(format string, i int) string { return fmt.Sprintf(format, i) }
