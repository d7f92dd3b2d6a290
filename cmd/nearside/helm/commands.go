package helm

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nearside/cloud/report"
	"nearside/policy/seal"
)

const (
	maxAnswer = 48 << 10 // bytes of an answer to a command
	lately    = 200      // decisions that are summed up
	writeTime = 5 * time.Second
)

// command obeys a signed command, and writes its answer down before the broker
// is told that it came: a power cut costs neither. What nobody who may command
// signed has no answer: it is an event. A broker may bring commands as fast as it
// can, also those that were answered: of these and of refusals some are told, and
// the rest is not worth the disk.
func (w *watch) command(ctx context.Context, envelope []byte) {
	a, err := w.steer.Command(ctx, envelope)
	if err != nil {
		if muted, ok := w.refusals.Tell(time.Now()); ok {
			w.helm.o.Log.Warn("a command is not obeyed", "reason", seal.Reason(err), "err", err, "more", muted)
		}
		return
	}
	if a.Again {
		if _, ok := w.repeats.Tell(time.Now()); !ok {
			return
		}
	}
	body, err := json.Marshal(report.Answer(w.by.Device, a))
	if err != nil {
		w.lost.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime) // what was done is answered for
	defer cancel()
	w.write(ctx, note{"ack", "ack-" + a.ID, false, body})
}

// tellStatus is the command status: what works now, and what is wrong.
func (w *watch) tellStatus(context.Context, map[string]string) (json.RawMessage, error) {
	s := w.helm.o.Device.Look()
	return bounded(map[string]any{
		"version": s.Version, "uptime_s": s.UptimeS, "ready": s.Ready, "connectivity": s.Connectivity, "policy": s.Policy, "remote": s.Remote, "health": s.Health,
	})
}

// diagnose is the command diagnose: all that an operator may want to know of a
// device, without a word of what was asked or answered.
func (w *watch) diagnose(ctx context.Context, _ map[string]string) (json.RawMessage, error) {
	s := w.helm.o.Device.Look()
	all := map[string]any{
		"version": s.Version, "commit": s.Commit, "uptime_s": s.UptimeS, "ready": s.Ready, "connectivity": s.Connectivity, "policy": s.Policy, "steering": w.steer.Status(),
		"remote": s.Remote, "engine": s.Engine, "store": s.Store, "signals": s.Signals, "refused": s.Refused, "health": s.Health,
		"targets": s.Targets, "traffic": w.traffic(), "decisions": w.decided(ctx),
	}
	for _, last := range []string{"", "decisions", "signals", "targets", "health"} { // what is left out first when it is too much
		delete(all, last)
		if b, err := bounded(all); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
}

func bounded(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	return b, err
}

// decided counts the latest decisions by route, target, status and reason.
func (w *watch) decided(ctx context.Context) map[string]int {
	s := w.helm.o.Store.Wait(ctx)
	if s == nil {
		return nil
	}
	records, err := s.Decisions(ctx, lately, "")
	if err != nil {
		return nil
	}
	counts := map[string]int{}
	for _, text := range records {
		var r struct {
			Outcome struct {
				Route, Target, Reason string
				Status                int
			}
		}
		if json.Unmarshal(text, &r) == nil && len(counts) < 100 {
			o := r.Outcome
			counts[fmt.Sprintf("%s %s %d %s", o.Route, o.Target, o.Status, o.Reason)]++
		}
	}
	return counts
}

// drain is the command drain_queue: what waits for the operator is sent now.
func (w *watch) drain(context.Context, map[string]string) (json.RawMessage, error) {
	if w.link != nil {
		w.link.Wake()
	}
	return bounded(map[string]any{"outbox": w.helm.Link().Outbox})
}

// refresh is the command refresh: what can be looked for anew is, and reported.
func (w *watch) refresh(context.Context, map[string]string) (json.RawMessage, error) {
	if w.puller != nil {
		w.puller.Refresh()
	}
	w.steer.Wake()
	w.report(true)
	return bounded(map[string]any{"pulls": w.puller != nil})
}
