// Package task names the class of a question by plain features of its text: words
// that give it away, its opening, its length. It keeps nothing of the text.
package task

import (
	"cmp"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
)

// Names lists the classes that questions may be of, beside the names of JSON
// APIs, which are classes of their own.
func Names() []string {
	return []string{"chat", "code", "math", "open", "long", "tools", "schema", embed.Service}
}

// Long is the length, in bytes, from which a question is a document. No more of
// it than that is looked at.
const Long = 2000

// tell is the class that a word gives away, alone or with the one before it; ""
// is none. It is code rather than a table, since all of a table would be touched
// for each question.
func tell(before, w *word) string {
	switch string(w.text()) {
	case "sql", "regex", "python", "golang", "javascript", "typescript", "java", "rust", "bash", "compile", "code":
		return "code"
	case "derivative", "integral", "solve", "equation", "prime", "factorial", "remainder", "logarithm", "matrix", "probability",
		"percent", "percentage", "ratio", "hexadecimal", "binary", "decimal":
		return "math"
	case "expression":
		return before.makes("regular", "code")
	case "trace":
		return before.makes("stack", "code")
	case "program", "script", "function", "query":
		return before.makes("a", "code")
	case "root":
		return before.makes("square", "math")
	case "of":
		return cmp.Or(before.makes("sum", "math"), before.makes("average", "math"))
	}
	return ""
}

// opens tells whether a first word asks for more than a fact.
func opens(first *word) bool {
	switch string(first.text()) {
	case "explain", "compare", "analyze", "analyse", "discuss", "summarize", "summarise", "translate", "write", "why", "describe", "draft":
		return true
	}
	return false
}

// Of is the class of a request: for chat by plain features of the question, which
// is its last user turn, else its service. The classes are coarse on purpose: what
// they are worth is in the policy.
func Of(r *openai.Request, question string) string {
	switch {
	case r.Service != openai.Chat:
		return r.Service
	case r.Tools:
		return "tools"
	case r.Schema:
		return "schema"
	}
	long := len(question) > Long
	if long {
		question = question[:Long]
	}
	class := wording(question)
	if long && class == "chat" {
		return "long"
	}
	return class
}

// wording is the class that the words of a text tell.
func wording(text string) string {
	t := words{text: text}
	var before, first word
	class := ""
	for t.next() {
		if class == "" {
			class = tell(&before, &t.word)
		}
		if first.size == 0 {
			first = t.word
		}
		before = t.word
	}
	switch {
	case t.fence:
		return "code"
	case class != "":
		return class
	case t.number && sum(text):
		return "math"
	case opens(&first):
		return "open"
	}
	return "chat"
}
