package learn

import (
	"context"

	"nearside/agent/learn/label"
)

// Shelf keeps labels. What Put was given without an error outlasts a crash; a
// label takes the place of one of the same decision and source, and replaced
// counts those.
type Shelf interface {
	Put(ctx context.Context, labels []label.Label) (replaced int, err error)
	Labels(ctx context.Context, model string, limit int) ([]label.Label, error) // the last found first
	Count(ctx context.Context) (map[string]int64, error)                        // by source
}

// Facts are small things that outlast a power cut.
type Facts interface {
	Fact(ctx context.Context, name string) (value string, ok bool, err error)
	SetFact(ctx context.Context, name, value string) error
}

// History reads decision records back, see [decision.Record].
type History interface {
	Decision(ctx context.Context, id string) (record []byte, ok bool, err error)
}
