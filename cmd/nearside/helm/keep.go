package helm

import (
	"context"
	"errors"
	"path/filepath"

	"nearside/cloud/steer"
	"nearside/cmd/nearside/twofold"
)

// keeper keeps the record in the state folder and in the store; where there is
// no folder, for this run.
func (h *Helm) keeper() steer.Keeper {
	if h.o.State == "" {
		return &steer.Memory{}
	}
	return twofold.New(filepath.Join(h.o.State, "policy"), h.facts)
}

// facts waits until the store is open. One in memory is none: what it has ends
// with the run.
func (h *Helm) facts(ctx context.Context) (twofold.Facts, error) {
	s, err := h.o.Store.Opened(ctx)
	if err != nil {
		return nil, err
	}
	if why := h.o.Store.Fault(); why != "" {
		return nil, errors.New(why)
	}
	return s, nil
}
