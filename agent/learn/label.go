package learn

import (
	"context"
	"time"
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

// comparedWeight is how far the comparison with a cloud's answer is trusted:
// the cloud is wrong at times, and so is [Agree].
const comparedWeight = 0.5

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

// Shelf keeps labels. What Put was given without an error outlasts a crash; a
// label takes the place of one of the same decision and source, and replaced
// counts those.
type Shelf interface {
	Put(ctx context.Context, labels []Label) (replaced int, err error)
	Labels(ctx context.Context, model string, limit int) ([]Label, error) // the last found first
	Count(ctx context.Context) (map[string]int64, error)                  // by source
}

// Facts are small things that outlast a power cut.
type Facts interface {
	Fact(ctx context.Context, name string) (value string, ok bool, err error)
	SetFact(ctx context.Context, name, value string) error
}

// History reads decision records back, see [agent.Record].
type History interface {
	Decision(ctx context.Context, id string) (record []byte, ok bool, err error)
}
