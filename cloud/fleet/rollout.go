package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"nearside/cloud/fleet/stages"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// ErrTakenOver is that another process took up the rollout; this one has let go
// of it.
var ErrTakenOver = errors.New("another process drives this rollout now")

// ErrBusy is that a rollout of the same kind is going on in one of the rings.
var ErrBusy = errors.New("a rollout is going on there")

// Candidate is an envelope that is to be rolled out.
type Candidate struct {
	Envelope []byte
	Payload  *seal.Payload
	Digest   string
}

// OpenCandidate reads an envelope as far as can be known without a root: its
// shape and what it says. Its error is a [*seal.Refusal].
func OpenCandidate(envelope []byte) (*Candidate, error) {
	e, err := seal.Open(envelope)
	if err != nil {
		return nil, err
	}
	p, err := seal.ParsePayload(e.Payload)
	if err != nil {
		return nil, err
	}
	return &Candidate{envelope, p, seal.Digest(e.Payload)}, nil
}

// Process names this process in records: who it is to people, and which of
// several.
func Process() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.40s/%d/%.6s", Printable(host, 40), os.Getpid(), rand.Text())
}

// Begin makes the record of a rollout that nobody has begun, at that time. Where
// one of the same kind goes on in one of its rings, the error is [ErrBusy],
// unless it is of the very same document: then that is what goes on, under this
// process.
func (f *Fleet) Begin(c *Candidate, plan []stages.Stage, limits stages.Limits, now time.Time) (stages.Rollout, error) {
	by := Process()
	r := stages.Rollout{
		Kind: c.Payload.Kind, Version: c.Payload.Version, Digest: c.Digest, Envelope: string(c.Envelope),
		Stages: plan, Salt: c.Digest[:16], Limits: limits, State: stages.Running, Started: now, Since: now, Rev: 1, By: by,
	}
	for _, other := range f.Rollouts() {
		if other.Over() || other.Kind != r.Kind || !meet(other.Rings(), r.Rings()) {
			continue
		}
		if other.Digest == r.Digest {
			return other.TakeOver(by, now), nil
		}
		return r, fmt.Errorf("%w: %s, %s, stage %d of %d; end it first with: nearside fleet abort %s", ErrBusy, other.ID, other.State, other.Stage+1, len(other.Stages), other.ID)
	}
	r.ID = f.freeID(&r)
	return r, r.Check()
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// freeID is a name that no rollout has: version, digest and a number.
func (f *Fleet) freeID(r *stages.Rollout) string {
	id := fmt.Sprintf("%s-%d-%.8s", r.Kind, r.Version, r.Digest)
	for n := 2; f.Rollout(id) != nil; n++ {
		id = fmt.Sprintf("%s-%d-%.8s-%d", r.Kind, r.Version, r.Digest, n)
	}
	return id
}

// Resume is the record of a rollout that goes on, under this process. That its
// envelope is what the record says is checked here.
func (f *Fleet) Resume(id string, now time.Time) (stages.Rollout, error) {
	r := f.Rollout(id)
	if r == nil {
		return stages.Rollout{}, fmt.Errorf("there is no rollout %s; list them with: nearside fleet rollout --list", id)
	}
	if r.Over() {
		return *r, fmt.Errorf("rollout %s is over: it is %s", id, r.State)
	}
	c, err := OpenCandidate([]byte(r.Envelope))
	if err != nil {
		return *r, fmt.Errorf("read the envelope of rollout %s: %w", id, err)
	}
	if c.Digest != r.Digest || c.Payload.Version != r.Version || c.Payload.Kind != r.Kind || c.Payload.Tenant != f.tenant {
		return *r, fmt.Errorf("the record of rollout %s does not fit its envelope; somebody altered it", id)
	}
	return r.TakeOver(Process(), now), nil
}

// Progress is how a rollout stands.
type Progress struct {
	Rollout stages.Rollout
	Counts  stages.Counts // of the stage that is going on, now
}

// look is how often a rollout looks at the fleet; it does not look more often
// when more comes.
const look = 250 * time.Millisecond

// Drive takes a rollout on until it is over, and tells how it stands at each
// look. It ends early with [ErrTakenOver], with a lost session, or with the
// context; the rollout then stands still until a process resumes it.
func (f *Fleet) Drive(ctx context.Context, r stages.Rollout, tell func(Progress)) (stages.Rollout, error) {
	text, err := r.Encode()
	if err == nil {
		err = f.prove(ctx, wire.Topic{Tenant: f.tenant, What: wire.Rollout, Rollout: r.ID}, text)
	}
	if err != nil {
		return r, err
	}
	for {
		if err := f.own(ctx, &r); err != nil {
			return r, err
		}
		now := f.Fleet(&r, time.Now())
		next, actions := r.Next(now)
		tell(Progress{next, next.Now(now)})
		if next.Rev > r.Rev {
			if err := f.write(ctx, &next); err != nil {
				return r, err
			}
		}
		envelope := r.Envelope
		if r = next; r.Over() {
			return r, nil
		}
		if err := f.do(ctx, &r, []byte(envelope), actions); err != nil {
			return r, err
		}
		if err := f.pause(ctx, look); err != nil {
			return r, err
		}
	}
}

// write retains the record.
func (f *Fleet) write(ctx context.Context, r *stages.Rollout) error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	return f.publish(ctx, wire.Topic{Tenant: f.tenant, What: wire.Rollout, Rollout: r.ID}, text)
}

// own sees to it that the record is this process's: it gives way to a newer one
// and writes over one that is not.
func (f *Fleet) own(ctx context.Context, r *stages.Rollout) error {
	held := f.Rollout(r.ID)
	switch {
	case held == nil || held.By == r.By:
		return nil
	case stages.Newer(held, r):
		return fmt.Errorf("%w: %s, at rev %d", ErrTakenOver, held.By, held.Rev)
	}
	r.Rev = held.Rev + 1
	return f.write(ctx, r)
}

// abreast is how many messages are on their way to the broker at once.
const abreast = 16

// do carries out actions, some at a time, and gives the first error.
func (f *Fleet) do(ctx context.Context, r *stages.Rollout, envelope []byte, actions []stages.Action) error {
	var wait sync.WaitGroup
	errs := make(chan error, abreast)
	for worker := range min(abreast, len(actions)) {
		wait.Go(func() {
			for i := worker; i < len(actions); i += abreast {
				if err := f.act(ctx, r.Kind, envelope, actions[i]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

func (f *Fleet) act(ctx context.Context, kind string, envelope []byte, a stages.Action) error {
	p := Place{Ring: a.Ring, Kind: kind}
	if a.Device != "" {
		p = Place{Device: a.Device, Kind: kind}
	}
	if a.Do == stages.Clear {
		envelope = nil
	}
	return f.publish(ctx, f.topic(p), envelope)
}

// Give gives an order to a rollout and waits until its process has obeyed; it
// is false when none did for so long.
func (f *Fleet) Give(ctx context.Context, id, do string, long time.Duration) (obeyed bool, err error) {
	r := f.Rollout(id)
	if r == nil || r.Over() {
		_, err := f.Resume(id, time.Now())
		return false, err
	}
	o := stages.Order{ID: rand.Text(), Do: do, By: Process(), At: time.Now().UTC()}
	text, err := o.Encode()
	if err != nil {
		return false, err
	}
	if err := f.prove(ctx, wire.Topic{Tenant: f.tenant, What: wire.Order, Rollout: id}, text); err != nil {
		return false, err
	}
	return f.Until(ctx, long, func() bool {
		r := f.Rollout(id)
		return r != nil && (r.Order == o.ID || r.Over())
	})
}
