package standing

import (
	"context"
	"encoding/hex"
	"math"

	"nearside/agent/learn/label"
	"nearside/policy"
	"nearside/policy/deferral"
)

// Bounds of what is learned from questions.
const (
	leastTexts = 200 // labels with a sketch
	unlikely   = 0.1 // propensity; below it counts as that, or a few audits would be all that is seen
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

// read fits a model of questions, if their words tell anything. A doubt is of
// the words too.
func read(ctx context.Context, v *Evidence, e *Epoch) *reading {
	r := &reading{}
	if v.Doc == nil || e.Doubt != "" {
		return r
	}
	labels := gains(v.Labels, e, v.Doc)
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
func gains(list []label.Label, e *Epoch, doc *policy.Document) []deferral.Label {
	sketches := map[string][]byte{}
	for i := range list {
		if x := &list[i]; deferral.Sketch(x.Sketch).Check() == nil {
			sketches[x.Decision] = x.Sketch
		}
	}
	var out []deferral.Label
	for _, x := range label.Counting(list, func(x *label.Label) bool { return sketches[x.Decision] != nil && !x.At.Before(e.Since) }) {
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
func gain(x *label.Label, doc *policy.Document) float64 {
	if x.Good == 1 && (x.Source == label.FromAudit || x.Source == label.FromEscalation) {
		return 0
	}
	return far(doc, label.TaskOf(x.Task)) - x.Good
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
	if r == nil || r.model == nil || in.ask.Privacy == policy.Private || !label.Telltale(in.text) {
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
	good, _ := policy.Listed(doc.Quality.Cloud, task)
	return chanceOf(good)
}

func chanceOf(x float64) float64 { return math.Min(1, math.Max(0, x)) }
