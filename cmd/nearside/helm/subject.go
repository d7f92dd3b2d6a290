package helm

import (
	"context"
	"fmt"
	"time"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/cmd/nearside/judge"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// document is a policy from outside. It never changes.
type document struct {
	doc     *policy.Document // as its text says
	version int64
	digest  string // SHA-256 of the payload
	start   trial.Figures
}

// bound is the policy as it may be in force on a device whose own is own.
func (d *document) bound(own *agent.Policy, cloudOff bool) *agent.Policy {
	doc := bind.Bind(own.Doc, d.doc, bind.Switches{CloudOff: cloudOff})
	doc.Version = int(d.version) // what replies and records name is what was signed
	return &agent.Policy{Doc: doc, Digest: d.digest, Source: Source}
}

// Source is where a policy from outside is said to be from.
const Source = "remote"

// ahead is the past that a judgement needs, read while the disk keeps the policy.
type ahead struct {
	begun time.Time
	done  chan struct{} // closed when past is there
	past  *judge.Past   // nil: it could not be read
}

// freshly is how long a past that was read ahead may be used.
const freshly = 30 * time.Second

// Prepare reads the past for the judgement that follows.
func (w *watch) Prepare(ctx context.Context) {
	a := &ahead{begun: time.Now(), done: make(chan struct{})}
	w.ahead.Store(a)
	defer close(a.done)
	if b := w.helm.o.Device.Basis(); b.Recent != nil {
		humbly(func() { a.past, _ = judge.Remember(ctx, b.Recent, b.Signals.Time) }) // else the judgement reads it, and says why it cannot
	}
}

// Validate judges a policy on this device.
func (w *watch) Validate(ctx context.Context, p *seal.Payload) error {
	defer w.helm.o.Beside()()
	basis := w.helm.o.Device.Basis()
	if a := w.ahead.Swap(nil); a != nil && time.Since(a.begun) < freshly {
		<-a.done
		basis.Past = a.past
	}
	var j *judge.Judgement
	var err error
	humbly(func() { j, err = judge.Check(ctx, p.Body, basis) })
	if err != nil {
		return err
	}
	w.judged.Store(&document{doc: j.Written, version: p.Version, digest: p.Digest})
	for _, line := range j.Warnings {
		w.helm.o.Log.Warn("a policy from outside", "version", p.Version, "warning", line)
	}
	return nil
}

// Swap puts a policy in force between two requests, nil for the device's own.
func (w *watch) Swap(_ context.Context, p *seal.Payload) error {
	next, err := w.read(p)
	if err != nil {
		return err
	}
	w.helm.o.Device.Renew(func() { w.helm.outside.Store(next) })
	return nil
}

// read is the document of a payload, nil for none. One that was judged just now
// was read then.
func (w *watch) read(p *seal.Payload) (*document, error) {
	if p == nil {
		return nil, nil
	}
	d := document{version: p.Version, digest: p.Digest, start: w.helm.figures.now()}
	if j := w.judged.Swap(nil); j != nil && j.digest == p.Digest {
		d.doc = j.doc
		return &d, nil
	}
	draft := written.Read("policy", []byte(p.Body))
	if err := draft.Check(); err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	d.doc = draft.Doc
	return &d, nil
}

// Figures are what came of asks since the process began.
func (w *watch) Figures() trial.Figures { return w.helm.figures.now() }
