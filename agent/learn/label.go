package learn

import (
	"context"
	"time"
)

// Sources of labels.
const (
	FromFeedback = "feedback" // a caller said so
)

// Label is what was found out about one answer.
type Label struct {
	Decision   string
	Source     string    // who found it out; with Decision it is the key
	At         time.Time // of the decision
	Target     string    // who made the answer
	Model      string    // identity of its model, "" when it is not known
	Task       string    // class of the question
	Score      *float64  // how sure the model seemed, nil when it is not known
	Good       float64   // 1 it was good, 0 it was not
	Propensity float64   // chance that it would be found out
	Weight     float64   // how far the source is to be trusted, 0 to 1
}

// Shelf keeps labels. What Put was given without an error outlasts a crash; a
// label takes the place of one of the same decision and source, and replaced
// counts those.
type Shelf interface {
	Put(ctx context.Context, labels []Label) (replaced int, err error)
	Labels(ctx context.Context, model string, limit int) ([]Label, error) // the last found first
	Count(ctx context.Context) (map[string]int64, error)                  // by source
}

// History reads decision records back, see [agent.Record].
type History interface {
	Decision(ctx context.Context, id string) (record []byte, ok bool, err error)
}
