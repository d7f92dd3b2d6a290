package learn

import (
	"context"
	"encoding/hex"
	"math"
	"strings"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/policy"
	"nearside/policy/deferral"
)

// Bounds of what is learned from questions.
const (
	leastTexts = 200  // labels with a sketch
	longText   = 2000 // bytes of a question; a longer one is not looked at
	unlikely   = 0.1  // propensity; below it counts as that, or a few audits would be all that is seen
)

// reading is what the words of questions tell of a model's answers. It does not
// change.
type reading struct {
	model   *deferral.Model // nil: too few labels, or words tell no more than nothing
	mean    float64         // gain of the labels
	labels  int             // that have a sketch
	merit   *deferral.Merit // nil: too few labels
	version string          // 8 hex digits of the model's digest
}

// sketchOf is what a label keeps of a question, nil for nothing: of what is
// private, must not be kept, or is long there is none.
func sketchOf(s *agent.Lesson) []byte {
	if s.Private || s.Ask.Cache.NoStore || s.Ask.Service != openai.Chat {
		return nil
	}
	if text := s.Request.LastUser(); telltale(text) {
		return deferral.SketchOf(text)
	}
	return nil
}

// telltale tells whether a question is looked at.
func telltale(text string) bool { return text != "" && len(text) <= longText }

// read fits a model of questions, if their words tell anything. A doubt is of
// the words too.
func (l *Learner) read(ctx context.Context, list []Label, e *epoch) *reading {
	r := &reading{}
	if l.parts.World == nil || e.Doubt != "" {
		return r
	}
	labels := gains(list, e, l.parts.World().Doc)
	if r.labels = len(labels); r.labels < leastTexts || ctx.Err() != nil {
		return r
	}
	merit, err := deferral.Cross(labels)
	if err != nil { // nearly all are one question
		return r
	}
	r.merit = &merit
	if !merit.Better() {
		return r
	}
	m, err := deferral.Fit(labels)
	if err != nil {
		return r
	}
	sum := m.Digest()
	r.model, r.mean, r.version = m, deferral.Mean(labels), hex.EncodeToString(sum[:4])
	return r
}

// gains are the latest labels as a fit of questions wants them, at most
// [deferral.MaxLabels]: the first source of each decision, with the sketch that
// any of them has.
func gains(list []Label, e *epoch, doc *policy.Document) []deferral.Label {
	sketches := map[string][]byte{}
	for i := range list {
		if x := &list[i]; deferral.Sketch(x.Sketch).Check() == nil {
			sketches[x.Decision] = x.Sketch
		}
	}
	var out []deferral.Label
	for _, x := range counting(list, func(x *Label) bool { return sketches[x.Decision] != nil && !x.At.Before(e.Since) }) {
		if len(out) == deferral.MaxLabels {
			break
		}
		w := x.Weight / math.Max(unlikely, math.Min(1, x.Propensity))
		out = append(out, deferral.Label{Sketch: sketches[x.Decision], Gain: gain(x, doc), Weight: w})
	}
	return out
}

// gain is what the cloud would have gained. Where two answers say the same that
// is nothing; else the cloud's is taken to be as good as the document has it.
func gain(x *Label, doc *policy.Document) float64 {
	if x.Good == 1 && (x.Source == FromAudit || x.Source == FromEscalation) {
		return 0
	}
	return far(doc, strings.TrimSuffix(x.Task, streamed)) - x.Good
}

// inquiry is what is to be expected of which ask. Its question is looked at
// once, and only when it must be.
type inquiry struct {
	doc    *policy.Document
	ask    *policy.Ask
	text   string
	sketch deferral.Sketch // nil: not looked at yet
}

// sway moves an estimate by what the words of the question tell: by how much
// more than usual the cloud would gain with it, the device is worse than usual.
// The mean gain tells nothing, since labels are mostly of unsure answers. The
// cloud stays as good as the document has it.
func (r *reading) sway(e *policy.Estimate, in *inquiry) bool {
	if r == nil || r.model == nil || in.ask.Privacy == policy.Private || !telltale(in.text) {
		return false
	}
	if in.sketch == nil {
		in.sketch = deferral.SketchOf(in.text)
	}
	lift := r.model.GainOf(in.sketch) - r.mean
	e.Good = chanceOf(e.Good - lift)
	gain := far(in.doc, in.ask.Task) - e.Good
	e.Gain, e.From = &gain, e.From+" with text"
	return true
}

// far is how good the cloud is at a task, by the document.
func far(doc *policy.Document, task string) float64 {
	good, _ := listed(doc.Quality.Cloud, task)
	return chanceOf(good)
}

func chanceOf(x float64) float64 { return math.Min(1, math.Max(0, x)) }
