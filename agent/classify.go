package agent

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
	"nearside/policy"
)

// tokensOut is how long an answer is taken to be when the caller set no limit.
const tokensOut = 512

// classify turns a request into the features a decision needs.
func (s *Settings) classify(in Input, signals *policy.Signals) (policy.Ask, error) {
	r := in.Request
	ask := policy.Ask{
		Caller: in.Caller, Service: r.Service, Model: r.Model, Mode: policy.Auto, Privacy: policy.Normal,
		Task: task(r), Stream: r.Stream, Cache: in.Cache, MaxCost: in.MaxCost,
		Size:       size(r),
		Needs:      policy.Needs{Tools: r.Tools, Schema: r.Schema, Vision: r.HasParts()},
		Repeatable: s.repeatable(r), Default: s.Services[r.Service].Default != nil,
		DeadlineMS: s.Policy.Doc.Deadline(r.Service),
	}
	if in.Deadline > 0 {
		ask.DeadlineMS = max(1, in.Deadline.Milliseconds())
	}
	if in.Privacy == policy.Private || r.Model == policy.Private {
		ask.Privacy = policy.Private
	}
	if err := s.known(r, signals); err != nil {
		return ask, err
	}
	s.scope(r, signals, &ask)
	return ask, route(&ask, in.Mode, signals)
}

// repeatable tells whether the same ask gives the same answer: embeddings do, a
// JSON API where its operator said for how long, chat at temperature 0.
func (s *Settings) repeatable(r *openai.Request) bool {
	switch r.Service {
	case openai.Chat:
		return r.Temperature != nil && *r.Temperature == 0
	case embed.Service:
		return true
	}
	keep := s.Services[r.Service].Keep
	return keep != nil && keep.Fresh > 0
}

// route reads mode and target from the model name and the mode header: mode
// beats an alias, but not a target called by its name.
func route(ask *policy.Ask, mode string, signals *policy.Signals) error {
	switch ask.Model {
	case policy.Auto, policy.Private:
	case policy.Local, policy.Cloud:
		ask.Mode = ask.Model
	default:
		if err := target(ask, signals); err != nil {
			return err
		}
	}
	if mode == "" || mode == policy.Auto {
		return nil
	}
	if ask.Target != "" && !strings.HasPrefix(ask.Target, mode+"/") {
		return fmt.Errorf("%w: mode is %s, model is %s", ErrConflict, mode, ask.Target)
	}
	ask.Mode = mode
	return nil
}

func target(ask *policy.Ask, signals *policy.Signals) error {
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	for _, t := range signals.Targets {
		if t.Name == ask.Model {
			ask.Target = t.Name
			ask.Mode, _, _ = strings.Cut(t.Name, "/")
			return nil
		}
		names = append(names, t.Name)
	}
	return fmt.Errorf("%w: %q is not one of %s", ErrModel, ask.Model, strings.Join(names, ", "))
}

// size estimates tokens at four bytes each and a few for every turn's frame.
func size(r *openai.Request) policy.Size {
	if r.Service != openai.Chat {
		return policy.Size{Bytes: r.Size, TokensEst: r.Size / 4}
	}
	s := policy.Size{Bytes: r.Size, TokensEst: len(r.Field("tools")) / 4, TokensOut: tokensOut}
	for _, m := range r.Messages {
		s.TokensEst += 4 + (len(m.Content)+3)/4
	}
	if r.MaxTokens > 0 {
		s.TokensOut = r.MaxTokens
	}
	return s
}

// longText is the length, in bytes, from which a question is a document. No
// more of it than that is looked at.
const longText = 2000

// tells are words, and pairs of words, that give a task class away.
var tells = classes(map[string]string{
	"code": "sql regex python golang javascript typescript java rust bash compile code",
	"math": "derivative integral solve equation prime factorial remainder logarithm matrix probability percent percentage ratio hexadecimal binary decimal",
}, map[string]string{
	"regular expression": "code", "stack trace": "code", "a program": "code", "a script": "code", "a function": "code", "a query": "code",
	"square root": "math", "sum of": "math", "average of": "math",
})

// beginsPair are the words with which a pair of them begins.
var beginsPair = beginnings(tells)

func beginnings(tells map[string]string) map[string]bool {
	out := map[string]bool{}
	for text := range tells {
		if word, _, ok := strings.Cut(text, " "); ok {
			out[word] = true
		}
	}
	return out
}

// openings are first words that ask for more than a fact.
var openings = map[string]bool{
	"explain": true, "compare": true, "analyze": true, "analyse": true, "discuss": true, "summarize": true, "summarise": true,
	"translate": true, "write": true, "why": true, "describe": true, "draft": true,
}

// arithmetic is two numbers and an operator between them.
var arithmetic = regexp.MustCompile(`\d\s*([-+*/×÷^%]|times|plus|minus|divided by|to the power of|multiplied by)\s*\d`)

// classes turns lists of words into a look-up, beside the pairs.
func classes(lists, pairs map[string]string) map[string]string {
	out := maps.Clone(pairs)
	for class, list := range lists {
		for w := range strings.FieldsSeq(list) {
			out[w] = class
		}
	}
	return out
}

// task names the class of a question by plain features of its last user turn.
// The classes are coarse on purpose: what they are worth is in the policy.
func task(r *openai.Request) string {
	switch {
	case r.Service != openai.Chat:
		return r.Service
	case r.Tools:
		return "tools"
	case r.Schema:
		return "schema"
	}
	text := r.LastUser()
	long := len(text) > longText
	if long {
		text = text[:longText]
	}
	class := wording(strings.ToLower(text))
	if long && class == "chat" {
		return "long"
	}
	return class
}

// wording is the class that the words of a text tell.
func wording(text string) string {
	if strings.Contains(text, "```") {
		return "code"
	}
	before, first := "", ""
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		class := tells[w]
		if class == "" && beginsPair[before] {
			class = tells[before+" "+w]
		}
		if class != "" {
			return class
		}
		before, first = w, cmp.Or(first, w)
	}
	switch {
	case twoDigits(text) && sum(text):
		return "math"
	case openings[first]:
		return "open"
	}
	return "chat"
}

// sum tells whether a text has a sum in it; most have nothing that looks like one.
func sum(text string) bool {
	looks := strings.ContainsAny(text, "-+*/×÷^%") || strings.Contains(text, "times") || strings.Contains(text, "plus") ||
		strings.Contains(text, "minus") || strings.Contains(text, "divided") || strings.Contains(text, "power") || strings.Contains(text, "multiplied")
	return looks && arithmetic.MatchString(text)
}

// twoDigits tells whether some number has two digits or more: sums of single
// digits are within a small model's reach.
func twoDigits(text string) bool {
	run := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			run = 0
			continue
		}
		if run++; run == 2 {
			return true
		}
	}
	return false
}
