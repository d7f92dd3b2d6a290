package chat

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// A Voice is who answers, and how long its answers to unknown questions are, in
// words (not negative).
type Voice struct {
	Name  string
	Words int
}

// An Answer is all that there is to say to a Request, before it has a wire form.
type Answer struct {
	pieces []string   // the text, token by token
	tools  []toolCall // instead of text
	finish string
	prompt int // tokens of the question
}

type toolCall struct {
	id, name  string
	arguments []string // JSON, piece by piece
}

// Compose answers q. The same voice and question give the same answer.
func Compose(v Voice, q Request) Answer {
	a := Answer{finish: "stop"}
	for _, m := range q.Messages {
		a.prompt += 3 + len(strings.Fields(m.text()))
	}
	if names := toolsToCall(q); len(names) > 0 {
		a.finish = "tool_calls"
		a.tools = callTools(q, names)
		return a
	}
	a.pieces = answerPieces(v, q)
	limit := q.MaxCompletionTokens
	if limit == 0 {
		limit = q.MaxTokens
	}
	if limit > 0 && limit < len(a.pieces) {
		a.pieces, a.finish = a.pieces[:limit], "length"
	}
	return a
}

// Blank is an answer to the same question that says nothing.
func (a Answer) Blank() Answer { return Answer{finish: "stop", prompt: a.prompt} }

func (a Answer) text() string { return strings.Join(a.pieces, "") }

// Tokens is the length of the answer.
func (a Answer) Tokens() int {
	n := len(a.pieces)
	for _, t := range a.tools {
		n += 1 + len(t.arguments)
	}
	return n
}

// answerPieces is the text in the format asked for: words, or bits of JSON.
func answerPieces(v Voice, q Request) []string {
	text := sentence(q.question(), v.Words)
	switch q.ResponseFormat.Type {
	case "json_object":
		return bits(map[string]any{"name": v.Name, "answer": text})
	case "json_schema":
		return bits(sample(q.ResponseFormat.JSONSchema.Schema, text, 0))
	}
	return strings.SplitAfter(v.Name+" answers: "+text, " ")
}

// sentence answers a well known question, repeats what follows "Repeat: ", or
// says words that depend on the question.
func sentence(question string, words int) string {
	if _, said, ok := strings.Cut(question, "Repeat: "); ok {
		return said
	}
	facts := [][2]string{
		{"capital of france", "The capital of France is Paris."},
		{"capital of germany", "The capital of Germany is Berlin."},
		{"capital of japan", "The capital of Japan is Tokyo."},
		{"2 + 2", "2 + 2 is 4."},
		{"largest planet", "The largest planet of the solar system is Jupiter."},
		{"speed of light", "The speed of light is 299,792 km/s."},
	}
	asked := strings.ToLower(question)
	for _, fact := range facts {
		if strings.Contains(asked, fact[0]) {
			return fact[1]
		}
	}
	return prose(question, words)
}

// prose is so many words, chosen by the seed.
func prose(seed string, words int) string {
	stock := strings.Fields("river stone light morning quiet garden window paper harbour silver winter " +
		"letter bridge orchard candle meadow copper lantern valley feather anchor thunder island maple")
	picked := make([]string, words)
	for i := range picked {
		picked[i] = stock[hash(fmt.Sprint(seed, i))%uint64(len(stock))]
	}
	return strings.Join(picked, " ") + "."
}

// toolsToCall names the tools that the request asks to be called: the one that
// tool_choice forces, or each whose "call NAME" the last message, a user's, has.
func toolsToCall(q Request) []string {
	if len(q.Tools) == 0 || q.ToolChoice.mode == "none" {
		return nil
	}
	if q.ToolChoice.mode == "function" {
		return []string{q.ToolChoice.name}
	}
	names := mentioned(q)
	if len(names) == 0 && q.ToolChoice.mode == "required" {
		names = []string{q.Tools[0].Function.Name}
	}
	if len(names) > 1 && q.ParallelToolCalls != nil && !*q.ParallelToolCalls {
		names = names[:1]
	}
	return names
}

func mentioned(q Request) []string {
	last := q.Messages[len(q.Messages)-1]
	if last.Role != "user" {
		return nil
	}
	var names []string
	for _, t := range q.Tools {
		if mentions(last.text(), t.Function.Name) {
			names = append(names, t.Function.Name)
		}
	}
	return names
}

// mentions says whether text has "call NAME" with NAME as a whole word.
func mentions(text, name string) bool {
	for _, rest := range strings.Split(text, "call ")[1:] {
		after, found := strings.CutPrefix(rest, name)
		if found && strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == after {
			return true
		}
	}
	return false
}

// callTools makes the calls, with arguments that fit the tools' parameters.
func callTools(q Request, names []string) []toolCall {
	params := map[string]map[string]any{}
	for _, t := range q.Tools {
		params[t.Function.Name] = t.Function.Parameters
	}
	var calls []toolCall
	for i, name := range names {
		arguments := sample(params[name], prose(q.question(), 2), 0)
		if params[name] == nil {
			arguments = map[string]any{}
		}
		id := fmt.Sprintf("call_%016x", hash(fmt.Sprint(i, name, q.question())))
		calls = append(calls, toolCall{id: id, name: name, arguments: bits(arguments)})
	}
	return calls
}

// bits is v as JSON in pieces of a few characters.
func bits(v any) []string {
	text, err := json.Marshal(v)
	if err != nil { // sample and its like make nothing that JSON cannot say
		panic(err)
	}
	const size = 8
	var pieces []string
	for runes := []rune(string(text)); len(runes) > 0; {
		n := min(size, len(runes))
		pieces = append(pieces, string(runes[:n]))
		runes = runes[n:]
	}
	return pieces
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}
