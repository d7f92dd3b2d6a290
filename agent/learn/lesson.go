package learn

import (
	"encoding/json"

	"nearside/agent"
	"nearside/agent/openai/completion"
	"nearside/policy"
)

// Learn takes a lesson: what shows by itself becomes a label, an answer that
// was taken as good may be audited. It makes it an agent's learner.
func (l *Learner) Learn(s *agent.Lesson) {
	if l.settings.Load().Off {
		return
	}
	if s.Sure != nil && s.Local.Model != "" {
		l.watchScore(s.Local.Target, Class(s.Ask), *s.Sure)
	}
	if label, ok := found(s); ok {
		l.offer(label)
		return
	}
	if s.Given {
		l.recall(s.Decision, sketchOf(s))
		l.mayAudit(s)
	}
}

// found is what shows by itself of the device's answer.
func found(s *agent.Lesson) (Label, bool) {
	switch {
	case !s.Formed:
		return labelOf(s, FromSchema, 1), true
	case s.Said.HasCalls() && !callable(s.Said, s.Request.Field("tools")):
		return labelOf(s, FromTools, 1), true
	case s.Instead == nil || s.Said.HasCalls() || s.Instead.HasCalls():
		return Label{}, false
	}
	same, known := Agree(s.Request.LastUser(), s.Said.Text(), s.Instead.Text())
	label := labelOf(s, FromEscalation, comparedWeight)
	label.Good = oneIf(same)
	return label, known
}

func labelOf(s *agent.Lesson, source string, weight float64) Label {
	return Label{
		Decision: s.Decision, Source: source, At: s.Time, Target: s.Local.Target, Model: s.Local.Model, Task: Class(s.Ask),
		Score: s.Sure, Propensity: 1, Weight: weight, Sketch: sketchOf(s),
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Class is the class of task that the answer to an ask counts for. The first
// tokens, by which a stream is judged, tell less than a whole answer, so that
// streams are classes of their own.
func Class(ask *policy.Ask) string {
	if ask.Stream {
		return ask.Task + streamed
	}
	return ask.Task
}

// streamed marks the classes of streams.
const streamed = " stream"

// callable tells whether every tool that an answer calls is one of the list,
// and is called with an object.
func callable(a *completion.Answer, list json.RawMessage) bool {
	var tools []struct {
		Function struct{ Name string }
	}
	if json.Unmarshal(list, &tools) != nil {
		return true // it is not for us to say
	}
	names := map[string]bool{}
	for _, t := range tools {
		names[t.Function.Name] = true
	}
	for name, arguments := range a.Calls {
		var object map[string]json.RawMessage
		if !names[name] || json.Unmarshal([]byte(arguments), &object) != nil {
			return false
		}
	}
	return true
}

// offer has a label kept, unless too many wait for that already.
func (l *Learner) offer(label Label) {
	select {
	case l.found <- label:
	default:
		l.tally.dropped.Add(1)
	}
}
