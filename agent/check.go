package agent

import (
	"strings"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/embed"
	"nearside/policy"
)

// good judges a reply. A poor one is kept aside while the next step runs. A
// server that reports no probabilities is taken at its word, unless the answer
// must be verified.
func (w *walk) good(step *policy.Step, reply *openai.Reply) bool {
	formed, near := w.fits(reply), step.Kind == policy.StepLocal && w.ask.Service == openai.Chat && reply.Sure == nil
	if near {
		w.heard = heard{step.Target, reply.Answer, w.sure(reply.Answer), formed}
	}
	switch {
	case !formed, w.plan.Require.Verified && reply.Sure == nil && !w.checks():
		return false
	case step.Kind != policy.StepLocal:
		return true
	case reply.Sure != nil:
		w.score = reply.Sure
		return *reply.Sure >= step.Threshold
	case !near:
		return true
	}
	a, sure := reply.Answer, w.heard.sure
	switch {
	case strings.TrimSpace(a.Text()) == "" && !a.HasCalls():
		return false
	case a.Refused, refuses(a.Text()):
		return false
	case a.Finish == "length" && w.in.Request.MaxTokens == 0 && w.plan.Bounds.TokensOut == 0:
		return false // it ran into its own limit, not the caller's or the policy's
	case sure == nil:
		return !w.plan.Require.Verified
	}
	return *sure >= step.Threshold
}

// checks tells whether anything says more of an answer than that it is JSON.
// Chat and embeddings have checks of their own, a JSON API that of its schema.
func (w *walk) checks() bool {
	service := w.ask.Service
	return service == openai.Chat || service == embed.Service || w.Services[service].Reply != nil
}

// fits tells whether an answer has the form the caller asked for. One that
// calls tools or refuses has none, and of a stream that goes on nothing is
// known yet.
func (w *walk) fits(reply *openai.Reply) bool {
	if w.in.Check == nil || reply.Stream != nil && reply.Answer.Finish == "" {
		return true
	}
	return w.formed(reply.Answer)
}

func (w *walk) formed(a *completion.Answer) bool {
	return a.HasCalls() || a.Refused || w.in.Check([]byte(a.Text())) == nil
}

// sure is how sure the model was of its answer, nil when that is not known.
func (w *walk) sure(a *completion.Answer) *float64 {
	scorer := w.agent.parts.Scorer
	if scorer == nil {
		return nil
	}
	w.score = nil
	if score, ok := scorer.Confidence(w.question, a.Tokens); ok {
		w.score = &score
	}
	return w.score
}

// refusals are how small models begin when they will not or cannot answer.
var refusals = []string{
	"i'm sorry, but i", "i am sorry, but i", "i'm sorry, i can", "sorry, i can", "i cannot help", "i can't help", "i can't assist", "i cannot assist",
	"i'm unable to", "i am unable to", "as an ai language model", "as an ai, i", "i don't have access to", "i do not have access to", "i don't know", "i do not know",
}

// longest is more than any refusal, however it is written.
const longest = 200

func refuses(text string) bool {
	text = strings.TrimSpace(text)
	text = strings.ToLower(strings.ReplaceAll(text[:min(len(text), longest)], "’", "'"))
	for _, r := range refusals {
		if strings.HasPrefix(text, r) {
			return true
		}
	}
	return false
}
