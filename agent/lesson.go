package agent

import (
	"net/http"
	"time"

	"nearside/agent/decision"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/policy"
)

// Calibration says how far the certainty of local models can be trusted. It
// does not change.
type Calibration interface {
	// Expect is what may be expected of the local targets for the ask with this
	// question, at most one estimate each. It keeps nothing of the question.
	Expect(doc *policy.Document, ask *policy.Ask, question string, targets []policy.Target) []policy.Estimate
	// Judge says of a target's answer which model made it and how likely it is
	// good. sure is how sure the model was, nil when that is not known.
	Judge(target string, ask *policy.Ask, sure *float64) decision.Judged
}

// Learner is told what requests teach of the device's answers. It must not
// block, and keeps no text of a lesson longer than it needs to look at it.
type Learner interface {
	Learn(l *Lesson)
}

// Lesson is what one request teaches: what the device answered, and what came
// of it. Nothing in it may be changed.
type Lesson struct {
	Decision string
	Time     time.Time
	Policy   *policy.Document
	Ask      *policy.Ask
	Private  bool // the ask stays on the device, as its caller or policy has it
	Request  *openai.Request
	Local    decision.Judged
	Sure     *float64           // how sure the model was when it was judged, nil when not known
	Said     *completion.Answer // of the device, to its end where Given
	Formed   bool               // it has the form that was asked for
	Given    bool               // the caller has it, whole and taken as good
	Instead  *completion.Answer // what the caller has of the cloud instead, whole; nil when nothing
}

// heard is the latest answer of the device that was judged.
type heard struct {
	target string
	answer *completion.Answer // nil: none was
	sure   *float64
	formed bool
}

// expect adds to the ask what is known of the local targets, and gives what it
// is known from; nil is nothing.
func (a *Agent) expect(doc *policy.Document, question string, ask *policy.Ask, signals *policy.Signals) Calibration {
	if a.parts.Calibration == nil || ask.Service != openai.Chat {
		return nil
	}
	c := a.parts.Calibration()
	for _, e := range c.Expect(doc, ask, question, signals.Targets) {
		if ask.Estimate(e.Target) == nil {
			ask.Expected = append(ask.Expected, e)
		}
	}
	return c
}

// judged is what is known of the device's answer, nil when there was none or
// nothing is.
func (w *walk) judged() *decision.Judged {
	if w.heard.answer == nil || w.calibration == nil {
		return nil
	}
	j := w.calibration.Judge(w.heard.target, w.ask, w.heard.sure)
	return &j
}

// teach tells the learner, if there is one, what came of the device's answer.
func (w *walk) teach(end Finish) {
	l := w.agent.parts.Learner
	if l == nil || w.heard.answer == nil {
		return
	}
	r := &w.result
	lesson := &Lesson{
		Decision: r.Decision, Time: w.started, Policy: w.Policy.Doc, Ask: w.ask, Private: w.private(), Request: w.in.Request,
		Local: decision.Judged{Target: w.heard.target}, Sure: w.heard.sure, Said: w.heard.answer, Formed: w.heard.formed,
	}
	if j := w.judged(); j != nil {
		lesson.Local = *j
	}
	if whole := end.Err == nil && end.Status == http.StatusOK; whole && r.answer != nil && !r.Degraded {
		lesson.Given = r.answer == w.heard.answer
		if r.Route == policy.StepCloud {
			lesson.Instead = r.answer
		}
	}
	if w.isFormed != nil && lesson.Given {
		lesson.Formed = *w.isFormed
	}
	l.Learn(lesson)
}
