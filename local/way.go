package local

import (
	"context"
	"errors"
	"syscall"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/fault"
)

// way is how one request reaches the model: by a lease of an engine, or to a
// server that somebody else runs.
type way struct {
	client client.Client
	server *server // nil with an engine
	engine *engine
	lease  lease
	since  time.Time // when the request could be sent
}

func (t *target) way(ctx context.Context) (*way, error) {
	if t.server != nil {
		return t.server.way()
	}
	l, err := t.engine.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &way{client: l.client, engine: t.engine, lease: l, since: time.Now()}, nil
}

func (w *way) release() {
	if w.engine != nil {
		w.engine.release(w.lease)
	}
}

const (
	crashNews = time.Second // for the news of a crash after the connection broke
	patience  = time.Second // an engine that was given less is not suspected
)

// fault tells a crash of the child from other faults, and says what else a
// fault shows of the one that was asked.
func (w *way) fault(ctx context.Context, err error) error {
	var status *fault.Error
	switch {
	case ctx.Err() != nil:
		w.doubt(context.Cause(ctx))
		return context.Cause(ctx)
	case w.server != nil:
		return w.server.fault(err)
	case errors.As(err, &status), errors.Is(err, fault.ErrBroken):
		return err
	case errors.Is(err, fault.ErrStalled):
		w.doubt(err)
		return err
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		w.engine.lost(w.lease.life)
	}
	select {
	case <-w.lease.over:
		return errors.Join(errCrashed, err)
	case <-time.After(crashNews):
		return err
	}
}

// doubt suspects an engine that was silent though it had time.
func (w *way) doubt(err error) {
	silent := errors.Is(err, fault.ErrTimeout) || errors.Is(err, fault.ErrStalled)
	if w.engine != nil && silent && time.Since(w.since) >= patience {
		w.engine.suspect(w.lease.life)
	}
}
