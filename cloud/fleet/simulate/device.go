package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/push"
	"nearside/cloud/report"
	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/cloud/wire"
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
	if news := report.Offered(envelope, r, err); news != nil {
		d.result.Store(news)
	}
	d.report(d.steer.Status())
}

func (d *device) command(ctx context.Context, envelope []byte) {
	a, err := d.steer.Command(ctx, envelope)
	if err != nil {
		return // an event says so
	}
	d.send("ack", "", report.Answer(d.name, a))
}

// status is the answer to the command of that name.
func (d *device) status(context.Context, map[string]string) (json.RawMessage, error) {
	st := d.steer.Status()
	return json.Marshal(map[string]any{"policy": st.Version, "state": st.State, "simulated": true})
}

// tell sends an event.
func (d *device) tell(e news.Event) {
	if news := report.Happened(e); news != nil {
		d.result.Store(news)
	}
	d.send("evt", "", wire.Notice{
		ID: fmt.Sprintf("%d-%d", d.started.UnixNano(), d.events.Add(1)), At: e.At, Kind: "policy_" + e.Kind,
		Data: map[string]any{"version": e.Version, "digest": e.Digest, "reason": e.Reason},
	})
}

// report sends what is in force; a later report takes the place of one that
// still waits.
func (d *device) report(st news.Status) {
	waiting, dropped := d.notes.depth()
	f := d.subject.Figures()
	status := wire.Status{
		Device: d.name, Ring: d.ring, Agent: "simulated", Session: d.session.Load(), Seq: time.Now().UnixMilli(), At: time.Now().UTC(),
		Policy: report.InForce(st),
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
