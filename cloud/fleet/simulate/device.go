package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/push"
	"nearside/cloud/steer"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// device is one light device.
type device struct {
	name, ring string
	steer      *steer.Steer
	link       *push.Link
	subject    *subject
	notes      outbox
	started    time.Time
	session    atomic.Int64
	events     atomic.Int64
	result     atomic.Pointer[wire.Result] // of the newest document that came
	offers     sync.WaitGroup
}

func (d *device) run(ctx context.Context, after time.Duration) {
	d.steer.Begin(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { _ = d.steer.Run(ctx) })
	select {
	case <-ctx.Done():
		return
	case <-time.After(after):
	}
	d.report(d.steer.Status())
	_ = d.link.Run(ctx)
	d.offers.Wait()
}

// deliver takes what a broker brings.
func (d *device) deliver(ctx context.Context, m push.Message) {
	if m.Kind == string(wire.Command) {
		d.command(ctx, m.Body)
		return
	}
	d.offers.Go(func() { d.offer(ctx, m.Body) })
}

func (d *device) offer(ctx context.Context, envelope []byte) {
	r, err := d.steer.Offer(ctx, envelope, "mqtt")
	switch reason := seal.Reason(err); {
	case err == nil:
		d.result.Store(&wire.Result{Kind: r.Kind, Version: r.Version, Digest: r.Digest, OK: true})
	case reason != "":
		d.result.Store(d.refused(envelope, reason, err))
	}
	d.report(d.steer.Status())
}

// refused is the result of an envelope that was not taken.
func (d *device) refused(envelope []byte, reason string, err error) *wire.Result {
	result := &wire.Result{Reason: reason, Detail: err.Error()}
	if e, err := seal.Open(envelope); err == nil {
		result.Digest = seal.Digest(e.Payload)
		if p, err := seal.ParsePayload(e.Payload); err == nil {
			result.Kind, result.Version = p.Kind, p.Version
		}
	}
	return result
}

func (d *device) command(ctx context.Context, envelope []byte) {
	a, err := d.steer.Command(ctx, envelope)
	if err != nil {
		return // an event says so
	}
	answer := wire.Answer{ID: a.ID, Device: d.name, OK: a.OK}
	_ = json.Unmarshal(a.Result, &answer.Result) // an answer that is no object has none
	d.send("ack", "", answer)
}

// status is the answer to the command of that name.
func (d *device) status(context.Context, map[string]string) (json.RawMessage, error) {
	st := d.steer.Status()
	return json.Marshal(map[string]any{"policy": st.Version, "state": st.State, "simulated": true})
}

// tell sends an event.
func (d *device) tell(e steer.Event) {
	if e.Kind == steer.EventRolledBack {
		d.result.Store(&wire.Result{Kind: e.What, Version: e.Version, Digest: e.Digest, Reason: e.Reason, Detail: "rolled back", Evidence: e.Evidence})
	}
	d.send("evt", "", wire.Notice{
		ID: fmt.Sprintf("%d-%d", d.started.UnixNano(), d.events.Add(1)), At: e.At, Kind: "policy_" + e.Kind,
		Data: map[string]any{"version": e.Version, "digest": e.Digest, "reason": e.Reason},
	})
}

// report sends what is in force; a later report takes the place of one that
// still waits.
func (d *device) report(st steer.Status) {
	waiting, dropped := d.notes.depth()
	f := d.subject.Figures()
	status := wire.Status{
		Device: d.name, Ring: d.ring, Agent: "simulated", Session: d.session.Load(), Seq: time.Now().UnixMilli(), At: time.Now().UTC(),
		Policy: wire.Applied{Version: st.Version, Epoch: st.Epoch, Digest: st.Digest, State: st.State},
		Result: d.result.Load(), Root: st.RootVersion, Clock: wire.Clock{State: st.Clock.State},
		Queue:   wire.Queue{Depth: waiting, Dropped: dropped},
		Traffic: wire.Traffic{Asks: f.Asks, Errors: f.Errors, Refusals: f.Refusals},
		Uptime:  int64(time.Since(d.started).Seconds()),
	}
	d.send("rep", "rep", status)
}

func (d *device) send(topic, key string, form any) {
	body, _ := json.Marshal(form) // plain values always encode
	d.notes.add(push.Note{Topic: topic, Key: key, Retain: key != "", Body: body})
	if d.link != nil {
		d.link.Wake()
	}
}
