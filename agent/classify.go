package agent

import (
	"fmt"
	"regexp"
	"strings"

	"nearside/agent/openai"
	"nearside/policy"
)

// tokensOut is how long an answer is taken to be when the caller set no limit.
const tokensOut = 512

// classify turns a request into the features a decision needs.
func classify(in Input, doc *policy.Document, signals *policy.Signals) (policy.Ask, error) {
	r := in.Request
	ask := policy.Ask{
		Service: "chat", Model: r.Model, Mode: policy.Auto, Privacy: policy.Normal,
		Task: task(r), Stream: r.Stream, Cache: in.Cache, MaxCost: in.MaxCost,
		Size:       size(r),
		Needs:      policy.Needs{Tools: r.Tools, Schema: r.Schema, Vision: r.HasParts()},
		Repeatable: r.Temperature != nil && *r.Temperature == 0,
		DeadlineMS: doc.Limits.DeadlineMS,
	}
	if in.Deadline > 0 {
		ask.DeadlineMS = max(1, in.Deadline.Milliseconds())
	}
	if in.Privacy == policy.Private || r.Model == policy.Private {
		ask.Privacy = policy.Private
	}
	return ask, route(&ask, in.Mode, signals)
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
	s := policy.Size{Bytes: r.Size, TokensOut: tokensOut}
	for _, m := range r.Messages {
		s.TokensEst += 4 + (len(m.Content)+3)/4
	}
	if r.MaxTokens > 0 {
		s.TokensOut = r.MaxTokens
	}
	return s
}

var (
	codeWords = regexp.MustCompile("(?i)```|\\b(sql|regex|regular expression|python|golang|javascript|typescript|java|c\\+\\+|rust|bash|function that|write a (program|script|query|class)|stack trace|compile)\\b")
	mathWords = regexp.MustCompile(`(?i)\b(derivative|integral|solve|equation|square root|prime|factorial|remainder|logarithm|matrix|probability|percent(age)?|ratio|hexadecimal|binary|decimal|average of|sum of)\b`)
	bigNumber = regexp.MustCompile(`\d{2,}`)
	operators = regexp.MustCompile(`(?i)\d\s*([-+*/×÷^%]|times|plus|minus|divided by|to the power of|multiplied by)\s*\d`)
	openWords = regexp.MustCompile(`(?i)^\s*(explain|compare|analy[sz]e|discuss|describe in detail|summari[sz]e|translate|write (an?|the) (essay|article|story|poem|letter|report)|why )`)
)

// longText is the length, in bytes, from which a question is a document.
const longText = 2000

// task names the class of a question by plain features of its last user turn.
// The classes are coarse on purpose: what they are worth is in the policy.
func task(r *openai.Request) string {
	text := r.LastUser()
	switch {
	case r.Tools:
		return "tools"
	case r.Schema:
		return "schema"
	case codeWords.MatchString(text):
		return "code"
	case mathWords.MatchString(text), bigNumber.MatchString(text) && operators.MatchString(text):
		return "math"
	case len(text) > longText:
		return "long"
	case openWords.MatchString(text):
		return "open"
	}
	return "chat"
}
