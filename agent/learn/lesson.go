package learn

import (
	"encoding/json"

	"nearside/agent"
	"nearside/agent/learn/agree"
	"nearside/agent/learn/label"
	"nearside/agent/openai/completion"
)

// Learn takes a lesson: what shows by itself becomes a label, an answer that
// was taken as good may be audited. It makes it an agent's learner.
func (l *Learner) Learn(s *agent.Lesson) {
	if l.settings.Load().Off {
		return
	}
	if s.Sure != nil && s.Local.Model != "" {
		l.watchScore(s.Local.Target, label.Class(s.Ask), *s.Sure)
	}
	if x, ok := found(s); ok {
		l.offer(x)
		return
	}
	if s.Given {
		l.recall(s.Decision, label.SketchOf(s))
		l.audits.Pick(s)
	}
}

// found is what shows by itself of the device's answer.
func found(s *agent.Lesson) (label.Label, bool) {
	switch {
	case !s.Formed:
		return label.Of(s, label.FromSchema, 1), true
	case s.Said.HasCalls() && !callable(s.Said, s.Request.Field("tools")):
		return label.Of(s, label.FromTools, 1), true
	case s.Instead == nil || s.Said.HasCalls() || s.Instead.HasCalls():
		return label.Label{}, false
	}
	same, known := agree.Same(s.Request.LastUser(), s.Said.Text(), s.Instead.Text())
	x := label.Of(s, label.FromEscalation, label.Compared)
	x.Good = label.Good(same)
	return x, known
}

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
func (l *Learner) offer(x label.Label) {
	select {
	case l.found <- x:
	default:
		l.tally.dropped.Add(1)
	}
}
