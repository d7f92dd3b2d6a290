package agent

import "nearside/agent/openai/embed"

// Tasks lists the classes that questions may be of, beside the names of JSON
// APIs, which are classes of their own.
func Tasks() []string {
	return []string{"chat", "code", "math", "open", "long", "tools", "schema", embed.Service}
}
