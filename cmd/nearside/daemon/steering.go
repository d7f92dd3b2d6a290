package daemon

import (
	"context"

	"nearside/agent/server/steering"
)

// Standing is what is in force, and how it came to be.
func (d *daemon) Standing() steering.Standing {
	p := d.agent.Policy()
	return steering.Standing{
		Version: int64(p.Doc.Version), Digest: p.Digest, Source: p.Source, State: "factory", Signers: []string{},
		Floors: map[string]steering.Floor{}, Held: d.held(), Kinds: []steering.Kind{},
	}
}

// Apply brings a document from outside.
func (d *daemon) Apply(context.Context, []byte) (steering.Applied, error) {
	return steering.Applied{}, steering.Off()
}

// Reset returns to the device's own policy.
func (d *daemon) Reset(context.Context, bool) error { return steering.Off() }
