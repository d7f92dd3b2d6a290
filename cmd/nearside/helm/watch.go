package helm

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/agent/config"
	"nearside/agent/config/remote"
	"nearside/cloud/pull"
	"nearside/cloud/report"
	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/cloud/wire"
	"nearside/cmd/nearside/kinds"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

const (
	maxNotes = 128 // that wait to be written down
	byMQTT   = "mqtt"
	byPull   = "pull"
	byHand   = "local"
)

// watch is the device steered by one config: who decides, and the roads by
// which documents come and news goes.
type watch struct {
	helm    *Helm
	by      *remote.Remote
	root    []byte
	started time.Time
	steer   *steer.Steer
	link    broker       // nil: no broker
	out     outbox       // nil: nobody is told
	blocked *string      // why one of these cannot be used
	puller  *pull.Puller // nil: nothing is pulled

	refusals trial.Pace // of commands, in the log
	repeats  trial.Pace // of answers that were given; both of the goroutine that brings commands

	notes    chan note                   // to be written down
	news     chan bool                   // something is to be reported; true: soon. Room for one
	lost     atomic.Int64                // notes that could not be written down
	result   atomic.Pointer[wire.Result] // of the newest document that came
	judged   atomic.Pointer[document]    // that was last found to be valid, until it is put in force
	ahead    atomic.Pointer[ahead]       // what the next judgement needs
	restored atomic.Pointer[string]      // how a copy of the record was found not to be right
	unwell   atomic.Pointer[string]      // the conditions that were reported
}

// steer makes a watch: what was in force is known then, and nothing is done yet.
func (h *Helm) steer(cfg *config.Config) (*watch, error) {
	r := cfg.Remote
	root, err := readRoot(r)
	if err != nil {
		return nil, err
	}
	w := &watch{helm: h, by: r, root: root, started: time.Now(), notes: make(chan note, maxNotes), news: make(chan bool, 1)}
	w.steer, err = steer.New(steer.Options{
		Device: seal.Device{Tenant: r.Tenant, Channel: r.Channel, ID: r.Device, Ring: r.Ring, Labels: r.Labels, Agent: h.o.Agent},
		Root:   root, Keeper: h.keeper(), Subject: w, Clock: h.evidence, Kinds: h.kinds(),
		Commands: map[string]steer.Obey{"status": w.tellStatus, "diagnose": w.diagnose, "drain_queue": w.drain, "refresh": w.refresh},
		Tell:     w.told, Report: func(news.Status) { w.report(true) },
		Waits: func(envelope []byte, from string) { h.room.Waits(kinds.Offer{Envelope: envelope, From: from}) },
	})
	if err != nil {
		return nil, err
	}
	if err := w.roads(); err != nil {
		h.o.Log.Error("a way by which this device is steered cannot be used", "err", err)
		why := err.Error()
		w.blocked = &why
	}
	return w, nil
}

// roads makes the ways by which documents come. None is gone yet. One that
// cannot be made costs itself: documents come by the others.
func (w *watch) roads() (err error) {
	if w.by.MQTT != nil {
		link, bad := w.mqtt()
		if bad == nil {
			w.link, w.out = link, notes{w.helm.o.Store.Outbox()}
		}
		err = bad
	}
	if w.by.Pull != nil {
		var bad error
		w.puller, bad = w.address()
		err = errors.Join(err, bad)
	}
	return err
}

// steersBy tells whether the config would have the device steered just so.
func (w *watch) steersBy(r *remote.Remote) bool {
	if !r.On() {
		return false
	}
	mine, other := *w.by, *r
	mine.Limits, other.Limits = nil, nil // read anew for each document
	root, err := readRoot(r)
	return err == nil && bytes.Equal(root, w.root) && reflect.DeepEqual(mine, other)
}

// run steers until ctx ends. A road that fails for good costs the road.
func (w *watch) run(ctx context.Context) {
	var all errgroup.Group
	all.Go(func() error { return w.steer.Run(ctx) })
	all.Go(func() error { return w.tell(ctx) })
	if w.link != nil {
		all.Go(func() error { return w.link.Run(ctx) })
	}
	if w.puller != nil {
		all.Go(func() error { return w.puller.Run(ctx) })
	}
	if err := all.Wait(); err != nil {
		w.helm.o.Log.Error("a part of what steers this device ended", "err", err)
	}
}

// offer brings an envelope, and remembers what became of it for the report.
func (w *watch) offer(ctx context.Context, envelope []byte, from string) (news.Result, error) {
	defer w.helm.o.Beside()()
	r, err := w.steer.Offer(ctx, envelope, from)
	if news := report.Offered(envelope, r, err); news != nil {
		w.result.Store(news)
		w.report(true)
	}
	return r, err
}

// online says that the network came back.
func (w *watch) online() {
	if w.link != nil {
		w.link.Online()
	}
	if w.puller != nil {
		w.puller.Wake()
	}
}

// offline says that there is no network any more: nothing is sent.
func (w *watch) offline() {
	if w.link != nil {
		w.link.Away()
	}
}
