package push

import (
	"context"
)

// nothing is an outbox that is empty, and delivers to nobody.
type nothing struct{}

func (nothing) Pending(context.Context, int) ([]Note, error) { return nil, nil }
func (nothing) Done(context.Context, ...int64) error         { return nil }
func (nothing) deliver(context.Context, Message)             {}
