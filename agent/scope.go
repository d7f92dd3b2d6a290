package agent

import (
	"encoding/json"
	"slices"
	"strings"

	"nearside/agent/openai"
	"nearside/agent/task"
	"nearside/policy"
)

// Gate tells what a text asks for: the intent, the chance that the text is in
// scope and this is right, and the chance from which it is taken as right, each
// 0 to 1. ok is false when nothing is known.
type Gate interface {
	Scope(text string) (intent string, p, least float64, ok bool)
}

// intentService is what a gate answers by itself, as a local target.
const intentService = "intent"

// scope adds what the gate makes of the question. Where that is the answer, it
// is what is to be expected of the local targets that give it, too.
func (s *Settings) scope(question string, signals *policy.Signals, ask *policy.Ask) {
	if s.Gate == nil || question == "" || len(question) > task.Long {
		return
	}
	intent, p, least, ok := s.Gate.Scope(question)
	if !ok {
		return
	}
	ask.Intent, ask.Scope = intent, &p
	if ask.Service != intentService {
		return
	}
	for _, t := range signals.Targets {
		if strings.HasPrefix(t.Name, policy.Local+"/") && slices.Contains(t.Services, intentService) {
			ask.Expected = append(ask.Expected, policy.Estimate{Target: t.Name, Good: p, Threshold: &least, From: "gate"})
		}
	}
}

// asked is the text of a question, "" when there is none.
func asked(r *openai.Request) string {
	switch r.Service {
	case openai.Chat:
		return r.LastUser()
	case intentService:
		var body struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal(r.Field("body"), &body) // its target says what is wrong with it
		return body.Text
	}
	return ""
}
