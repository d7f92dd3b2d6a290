// Package helm joins what steers a device from outside to the daemon: documents
// that brokers, addresses and people bring are judged, put in force between two
// requests and watched, and what comes of it is told. The daemon is a [Device]
// to it. Without a root in the config there is nothing but an empty [Helm].
package helm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/remote"
	"nearside/agent/config/strict"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/cloud/network"
	"nearside/cmd/nearside/judge"
	"nearside/cmd/nearside/kinds"
	"nearside/cmd/nearside/late"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/seal"
)

// Device is the daemon as it is steered.
type Device interface {
	// Basis is what a policy is judged against now.
	Basis() judge.Basis
	// Renew puts in force what [Helm.InForce] makes of the device's own policy,
	// after change, and with nobody else changing settings meanwhile.
	Renew(change func())
	// Look is the status now.
	Look() status.Status
	// Told is told of what happened, for those who watch the device's events.
	Told(kind string, data any)
	// Frugal tells whether bytes or wake-ups cost more than usual now.
	Frugal() bool
}

// Options are what a helm is made of. None may be nil.
type Options struct {
	Device Device
	Store  *late.Store
	State  string    // folder of the daemon's files; "": nothing outlasts a run
	Agent  string    // version of this program
	Built  time.Time // when it was, at the earliest
	Now    func() time.Time
	Own    func() *agent.Policy                      // the device's own, now
	Given  func() (*config.Config, *policy.Document) // by hand, now
	Lay    func()                                    // puts in force what [Helm.Over] makes of the config
	Beside func() (done func())                      // told when something comes from outside, until it is taken or refused; nil is none
	Log    *slog.Logger
}

// Helm is how the device is steered now. Any goroutine may call its methods.
type Helm struct {
	o       Options
	figures tally
	room    *kinds.Room // documents that are no policies
	heard   heard
	watch   atomic.Pointer[watch]           // nil: nobody steers
	outside atomic.Pointer[document]        // the policy from outside that is in force, nil for the device's own
	tight   atomic.Pointer[map[string]bool] // rules of it that keep more on the device than its own policy does
	way     atomic.Pointer[network.View]    // the network at the latest look, nil before the first
	frugal  atomic.Bool                     // bytes or wake-ups cost more than usual, at the latest look
	next    chan *config.Config             // to steer by from now on; room for one

	mu    sync.Mutex // guards fault
	fault string     // why it cannot be steered, although it is to be
}

// New makes a helm; nobody steers until [Helm.Begin].
func New(o Options) *Helm {
	if o.Beside == nil {
		o.Beside = func() func() { return func() {} }
	}
	h := &Helm{o: o, next: make(chan *config.Config, 1)}
	h.room = h.newRoom()
	return h
}

// Check tells whether the device could be steered by this config.
func Check(cfg *config.Config) error {
	if !cfg.Remote.On() {
		return nil
	}
	_, err := readRoot(cfg.Remote)
	return err
}

// Unread tells of the files beside the root that the config names for this, such
// as certificates, which cannot be read.
func Unread(cfg *config.Config) []error {
	if !cfg.Remote.On() {
		return nil
	}
	files := cfg.Remote.Files()[1:] // the root is [Check]'s
	if m := cfg.Remote.MQTT; m != nil {
		files = append(files, &m.Password.File)
	}
	var all []error
	for _, path := range files {
		if *path == "" {
			continue
		}
		f, err := os.Open(*path)
		if err != nil {
			all = append(all, err)
			continue
		}
		f.Close()
	}
	return all
}

func readRoot(r *remote.Remote) ([]byte, error) {
	text, err := strict.ReadFile(r.Root, seal.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read remote.root: %w", err)
	}
	root, err := seal.ParseRoot(text)
	if err != nil {
		return nil, fmt.Errorf("remote.root %s is no root document: %w; make one with nearside fleet root", r.Root, err)
	}
	if root.Tenant != "" && root.Tenant != r.Tenant {
		return nil, fmt.Errorf("remote.root %s is for tenant %q, remote.tenant is %q", r.Root, root.Tenant, r.Tenant)
	}
	return text, nil
}

// Begin has what was in force at the last stop in force again. It reads a file,
// and no network. A root that cannot be used leaves the device unsteered, with
// its own policy: it answers all the same.
func (h *Helm) Begin(ctx context.Context, cfg *config.Config) {
	if !cfg.Remote.On() {
		h.failed("")
		return
	}
	w, err := h.steer(cfg)
	if err != nil {
		h.o.Log.Error("this device is not steered", "err", err)
		h.failed(err.Error())
		return
	}
	h.failed("")
	h.watch.Store(w)
	w.steer.Begin(ctx)
}

// Reload has the device steered by another config from now on, as soon as what
// is under way ended. It does not wait. One that steers it as it was changes
// nothing but how policies are bound, which [Device.Renew] does, and that what was
// refused here may fit now.
func (h *Helm) Reload(cfg *config.Config) {
	if w := h.watch.Load(); w != nil {
		w.steer.Anew()
		if w.puller != nil {
			w.puller.Anew()
		}
	}
	for {
		select {
		case h.next <- cfg:
			return
		case <-h.next: // a newer one takes its place
		}
	}
}

// Run steers until ctx ends. [Helm.Begin] was called before, or nobody steers
// until a reload.
func (h *Helm) Run(ctx context.Context) error {
	var files sync.WaitGroup
	files.Go(func() { h.fetch(ctx) })
	defer files.Wait()
	for ctx.Err() == nil {
		cfg := h.until(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.watch.Store(nil)
		h.room.Drop()
		h.Begin(ctx, cfg)
		if w := h.watch.Load(); h.outside.Load() != nil && (w == nil || w.steer.Status().Digest == "") {
			h.o.Device.Renew(func() { h.outside.Store(nil) })
		}
	}
	return nil
}

// until runs the present watch until another config is to be steered by, and
// returns that.
func (h *Helm) until(ctx context.Context) *config.Config {
	w := h.watch.Load()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if w != nil {
			w.run(ctx)
		}
	}()
	defer func() { stop(); <-ended }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case cfg := <-h.next:
			if w == nil || !w.steersBy(cfg.Remote) {
				return cfg
			}
		}
	}
}

func (h *Helm) failed(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = why
}

// Fault is why the device cannot be steered although it is to be, "" when it
// can.
func (h *Helm) Fault() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// Network is told of the network at each look at it, and of how it was before
// [Helm.Run]. An outage between two looks shows in Since alone; who met it waits
// to be woken all the same.
func (h *Helm) Network(is network.View) {
	was, w := h.way.Swap(&is), h.watch.Load()
	if w == nil {
		return
	}
	if frugal := h.o.Device.Frugal(); h.frugal.Swap(frugal) != frugal {
		h.room.Wake()
	}
	switch {
	case was == nil || was.State == is.State && was.Since.Equal(is.Since):
	case is.State != network.Offline:
		w.online()
		h.room.Wake()
	case is.Source != network.ByCalls: // a broker may be reached where nothing else is
		w.offline()
	}
}

// Apply brings an envelope by hand.
func (h *Helm) Apply(ctx context.Context, envelope []byte) (steering.Applied, error) {
	w := h.watch.Load()
	if w == nil && h.Fault() != "" {
		return steering.Applied{}, &steering.Refusal{Reason: "remote_off", Detail: "this device cannot be steered: " + h.Fault(), Hint: "correct remote in its config, then run: nearside config reload"}
	}
	if w == nil {
		return steering.Applied{}, steering.Off()
	}
	r, err := w.offer(ctx, envelope, byHand)
	if err != nil {
		return steering.Applied{}, refused(err)
	}
	return steering.Applied{Kind: r.Kind, Version: r.Version, Digest: r.Digest, State: r.State, Changed: !r.Again}, nil
}

// Reset returns the device to its own policy. With forget, versions that were
// taken before may come again.
func (h *Helm) Reset(ctx context.Context, forget bool) error {
	w := h.watch.Load()
	if w == nil {
		return steering.Off()
	}
	if err := w.steer.Reset(ctx, forget); err != nil {
		return refused(err)
	}
	w.report(true)
	return nil
}

// refused is an error of a watch as the control API tells it.
func refused(err error) error {
	var r *seal.Refusal
	if errors.As(err, &r) {
		return &steering.Refusal{Reason: r.Reason, Detail: r.Detail, Hint: hints[r.Reason]}
	}
	return err
}

// hints are what can be done about a refusal.
var hints = map[string]string{
	seal.NotYetValid: "set the clock, or apply it then",
	seal.UnknownKey:  "sign it with the keys of the device's root, or bring the root that lists them first",
	seal.Unsigned:    "sign it with: nearside fleet sign",
	"busy":           "try it again in a moment",
	"not_kept":       "look at the disk, and at the state folder: nearside doctor",
}

// InForce is the policy that is to be in force on a device whose own is own: the
// one from outside, bound by it, or own itself.
func (h *Helm) InForce(own *agent.Policy, cloudOff bool) *agent.Policy {
	d := h.outside.Load()
	if d == nil {
		h.tight.Store(nil)
		return own
	}
	p := d.bound(own, cloudOff)
	tight := bind.Tightens(own.Doc, p.Doc, bind.Switches{CloudOff: cloudOff})
	h.tight.Store(&tight)
	return p
}
