// Package label has the form in which findings about answers are kept: who found
// it out, of which answer, and how far that is to be trusted. There is no text of
// question or answer in a label, only a sketch of a question that may be kept.
package label

import (
	"slices"
	"strings"
	"time"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/policy"
	"nearside/policy/deferral"
)

// Sources of labels. Where several judged one answer, the first of this list
// counts.
const (
	FromFeedback   = "feedback"   // a caller said so
	FromSchema     = "schema"     // it has not the form that was asked for
	FromTools      = "tools"      // it calls a tool that is not there, or not with an object
	FromAudit      = "audit"      // the cloud was asked again, beside the road
	FromEscalation = "escalation" // the cloud answered in its place
)

// sources are in the order in which they count.
var sources = [...]string{FromFeedback, FromSchema, FromTools, FromAudit, FromEscalation}

// Compared is how far the comparison with a cloud's answer is trusted: the cloud
// is wrong at times, and so are comparisons by words.
const Compared = 0.5

// Label is what was found out about one answer.
type Label struct {
	Decision   string
	Source     string    // who found it out; with Decision it is the key
	At         time.Time // of the decision
	Target     string    // who made the answer
	Model      string    // identity of its model, "" when it is not known
	Task       string    // class of the question, see [Class]
	Score      *float64  // how sure the model seemed, nil when it is not known
	Good       float64   // 1 it was good, 0 it was not
	Propensity float64   // chance that it would be found out
	Weight     float64   // how far the source is to be trusted, 0 to 1
	Sketch     []byte    // of the question, see policy/deferral; nil: none is kept
}

// Of is a label of the device's answer in a lesson, but for what was found out;
// the weight is how far its source is to be trusted, 0 to 1.
func Of(s *agent.Lesson, source string, weight float64) Label {
	return Label{
		Decision: s.Decision, Source: source, At: s.Time, Target: s.Local.Target, Model: s.Local.Model, Task: Class(s.Ask),
		Score: s.Sure, Propensity: 1, Weight: weight, Sketch: SketchOf(s),
	}
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

// TaskOf is the task of a class, streamed or not.
func TaskOf(class string) string { return strings.TrimSuffix(class, streamed) }

// streamed marks the classes of streams.
const streamed = " stream"

// Good is what a label says of an answer: 1 it was good, 0 it was not.
func Good(was bool) float64 {
	if was {
		return 1
	}
	return 0
}

// longest is the most bytes of a question that are looked at.
const longest = 2000

// SketchOf is what a label keeps of a question, nil for nothing: of what is
// private, must not be kept, or is long there is none.
func SketchOf(s *agent.Lesson) []byte {
	if s.Private || s.Ask.Cache.NoStore || s.Ask.Service != openai.Chat {
		return nil
	}
	if text := s.Request.LastUser(); Telltale(text) {
		return deferral.SketchOf(text)
	}
	return nil
}

// Telltale tells whether a question is looked at: not where there is none, or it
// is long.
func Telltale(text string) bool { return text != "" && len(text) <= longest }

// Counting are the labels that serve, of each decision that of the first source,
// in their order, so that the same labels make the same table.
func Counting(list []Label, serves func(*Label) bool) []*Label {
	best := map[string]*Label{}
	for i := range list {
		x := &list[i]
		if old := best[x.Decision]; serves(x) && (old == nil || rank(x.Source) < rank(old.Source)) {
			best[x.Decision] = x
		}
	}
	var out []*Label
	for i := range list {
		if best[list[i].Decision] == &list[i] {
			out = append(out, &list[i])
		}
	}
	return out
}

func rank(source string) int { return slices.Index(sources[:], source) }
