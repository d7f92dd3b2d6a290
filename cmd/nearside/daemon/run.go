package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/learn"
	"nearside/agent/server"
	"nearside/agent/server/control"
	"nearside/agent/server/feed"
	"nearside/agent/server/metrics"
	"nearside/cloud"
	"nearside/cmd/nearside/cores"
	"nearside/cmd/nearside/entrance"
	"nearside/cmd/nearside/heap"
	"nearside/cmd/nearside/helm"
	"nearside/cmd/nearside/herald"
	"nearside/cmd/nearside/late"
	"nearside/local"
	"nearside/local/intent"
	"nearside/local/sense"
	"nearside/store"
)

// daemon is everything that runs.
type daemon struct {
	Options
	started  time.Time
	agent    *agent.Agent
	local    *local.Local
	gate     intent.Target
	cloud    *cloud.Pool
	store    *late.Store
	helm     *helm.Helm
	learner  *learn.Learner
	face     *server.Server
	entrance *entrance.Entrance
	meter    *metrics.Meter
	senses   senses
	observer *observer
	gear     *cores.Gear
	pacer    *heap.Pacer   // nil: the heap is as large as the runtime has it
	touched  chan struct{} // something has changed; room for one

	herald    herald.Herald
	lasting   lasting
	reloading sync.Mutex // one reload at a time; guards awake
	awake     bool       // keys were read
	inForce   atomic.Pointer[inForce]
}

// Options are what a daemon starts from.
type Options struct {
	Config  *config.Config // valid
	Policy  *agent.Policy
	Load    Load // reads both again
	Log     *slog.Logger
	Watch   control.Watch // of logs; events are the daemon's own
	Release string
	Commit  string           // "" when not known
	Built   time.Time        // the clock cannot be right before it
	Now     func() time.Time // of the clock on the wall; nil is time.Now
	Listens func()           // called once it does
}

// Run wires the daemon and runs it until ctx ends. It is one function on
// purpose: the order of things is all it says. Listening comes first, so that
// a caller never meets a closed door; the store opens beside it, since that
// may take a while on a large or damaged file.
func Run(ctx context.Context, o Options) error {
	cfg, log := o.Config, o.Log
	room := heap.Bound(log)
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &daemon{Options: o, started: time.Now(), store: late.New(), gear: cores.New(), touched: make(chan struct{}, 1), herald: herald.New(os.Getenv, log)}
	d.Watch.Events = feed.New(feed.Options{})
	d.Watch.Config = func() string { return d.inForce.Load().config.Log.Level }
	d.inForce.Store(&inForce{config: cfg, laid: cfg, own: o.Policy})
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	door, err := entrance.New(ctx, cfg)
	if err != nil {
		return err
	}
	d.entrance = door
	listeners, err := door.Open(cfg)
	if err != nil {
		return err
	}
	sockets, cleanup, err := local.SocketFolder(cfg.State)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	defer cleanup()

	near := LocalOptions(cfg)
	near.Dir, near.Ledger, near.Memory, near.Changed, near.Log = sockets, d.store.Ledger, d.freeMemory, d.touch, log
	d.local = local.New(near)
	d.holdGate(cfg)
	d.cloud = cloud.New(cloud.Options{Targets: asked(cfg), Log: log, Changed: d.touch, Heard: func(at time.Time) { d.helm.Heard(at) }})
	link := sense.ReadLink()
	d.cloud.SetLink(link.Known, link.Up, link.Prefixes)
	d.meter = metrics.New(metrics.Sources{Status: d.status, Counts: func() server.Counts { return d.face.Counts() }})
	d.meter.SetCallers(entrance.Names(cfg))
	d.helm = helm.New(helm.Options{Device: d, Beside: d.beside, Store: d.store, State: cfg.State, Agent: o.Release, Built: o.Built, Now: o.Now, Own: d.own, Given: d.given, Lay: d.lay, Log: log})
	d.observer = &observer{next: d.helm.Observe(d.meter), log: log, level: d.Watch.Level, touch: d.touch}
	d.learner = learn.New(d.learnParts(), learnSettings(cfg))
	d.agent = agent.New(agent.Parts{
		Local: tiers{&d.gate, d.local}, Cloud: d.cloud, Scorer: d.local, Cache: d.store, Recorder: d.store, Observer: d.observer,
		Signals: d.signals, Now: o.Now, Calibration: d.learner.Calibration, Learner: d.learner,
	}, d.settings(cfg, o.Policy))
	d.face = server.New(server.Options{
		Agent: d.agent, Status: d.status, Ready: d.ready, Models: d.models, Metrics: d.meter, Steered: d,
		Control: control.Routes{History: d.history, Reload: d.reload, Device: d, Learner: d.learner, Watch: d.Watch},
		Doors:   doors(cfg), Callers: door.Book(), Log: log, Asked: d.gear.Asked, Limits: server.Limits{Bodies: heap.Bodies(room)},
	})

	if room == 0 {
		d.pacer = heap.Pace(ctx, func() int64 { return d.face.Counts().InFlight })
	}
	d.helm.Network(d.cloud.Network())
	d.helm.Begin(ctx, cfg)

	// What serves stops first; what it stands on stops when it is done.
	base, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBase()
	floor, base := errgroup.WithContext(base)
	floor.Go(func() error { return d.remember(base, storeOptions(cfg, &o, d.gear)) })
	floor.Go(func() error { return d.sample(base, cfg) })
	floor.Go(func() error { return d.heed(base, hangup) })
	floor.Go(func() error { return d.herald.Pulse(base, func() { d.status() }) })
	for _, part := range []func(context.Context) error{d.local.Run, d.cloud.Run, d.watchLink, d.watch, d.gear.Run, heap.Settle} {
		floor.Go(func() error { return part(base) })
	}

	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	context.AfterFunc(base, stopServing) // a part that fails takes the daemon down
	context.AfterFunc(serving, d.herald.Stopping)
	o.Listens()
	d.herald.Ready()
	log.Info("listening", "socket", cfg.Listen.Socket, "http", cfg.Listen.HTTP, "policy", d.agent.Policy().String())
	err = d.face.Serve(serving, cfg.Drain, listeners...)
	stopBase()
	return errors.Join(err, floor.Wait())
}

// remember runs the store and those who write to it as they end, which it outlasts,
// until ctx ends.
func (d *daemon) remember(ctx context.Context, o store.Options) error {
	last, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return d.store.Run(last, o) })
	var users sync.WaitGroup
	for _, user := range []func(context.Context) error{d.learner.Run, d.helm.Run} {
		users.Add(1)
		all.Go(func() error { defer users.Done(); return user(ctx) })
	}
	users.Wait()
	end()
	return all.Wait()
}

func closeAll(listeners []net.Listener) error {
	var all []error
	for _, l := range listeners {
		all = append(all, l.Close())
	}
	return errors.Join(all...)
}

// watchLink keeps the pool told of the kernel's links. Where the kernel gives
// no events the rest of the daemon goes on without.
func (d *daemon) watchLink(ctx context.Context) error {
	err := sense.WatchLink(ctx, func(l sense.Link) { d.cloud.SetLink(l.Known, l.Up, l.Prefixes) })
	if err != nil {
		d.Log.Warn("links are not watched", "err", err)
	}
	return nil
}

// LocalOptions are how the config has engines run. Where their sockets are, what
// remembers checksums, what is known of memory and the log are to be added.
func LocalOptions(cfg *config.Config) local.Options {
	o := local.Options{
		Command: cfg.Local.Engine.Command, URL: cfg.Local.Engine.URL,
		Idle: cfg.Local.Engine.Idle, Boot: cfg.Local.Engine.Start == "boot", Threads: cfg.Local.Engine.Threads,
		Bound: uint64(cfg.Local.Engine.Memory), Reads: cfg.Local.Engine.Reads, Open: !cfg.Local.Engine.Sandbox,
	}
	if cfg.Local.Disabled {
		return o
	}
	for _, m := range cfg.Local.Models {
		o.Models = append(o.Models, local.Model{
			Name: m.Name, File: m.File, SHA256: m.SHA256, Services: m.Services,
			Context: m.Context, System: m.System, Sampling: m.Sampling,
		})
	}
	return o
}

// asked are the targets that the pool has: none when the cloud is switched off,
// since what it does not have it cannot ask, whatever was decided.
func asked(cfg *config.Config) []cloud.Target {
	if cfg.Cloud.Disabled {
		return nil
	}
	return cloudTargets(cfg)
}

func cloudTargets(cfg *config.Config) []cloud.Target {
	var all []cloud.Target
	for _, t := range cfg.Cloud.Targets {
		c := cloud.Target{
			Name: "cloud/" + t.Name, Base: t.BaseURL, Models: t.Models, Services: t.Services.Names,
			Context: t.Context, Weight: t.Weight, Keyed: !t.Key.IsZero(), Header: t.Headers, KeyIn: t.KeyHeader,
		}
		for name, api := range t.Services.APIs {
			if c.APIs == nil {
				c.APIs = map[string]cloud.API{}
			}
			c.APIs[name] = cloud.API{Method: api.Method, Path: api.Path}
		}
		if t.Price != nil {
			c.Price = &cloud.Price{Input: t.Price.Input, Output: t.Price.Output}
		}
		all = append(all, c)
	}
	return all
}

// cloudSalt identifies what the cloud targets would answer. A model is the same
// wherever it is; a JSON API is not.
func cloudSalt(targets []config.Target) string {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "%s %v %v\n", t.Name, t.Models, t.Services.APIs) // maps print in the order of their keys
		if t.Services.APIs != nil {
			fmt.Fprintf(&b, "%q %q\n", t.BaseURL, t.Headers)
		}
	}
	return b.String()
}

var errNothingAnswers = errors.New("nothing can answer: no usable local engine and no usable cloud target; see /v1/status")

// storeOptions are those of the store that the config wants.
func storeOptions(cfg *config.Config, o *Options, gear *cores.Gear) store.Options {
	return store.Options{Dir: cfg.State, CacheMaxBytes: int64(cfg.Cache.MaxBytes), CacheKeep: cfg.Cache.Stale, Log: o.Log, Now: o.Now, Beside: gear.All}
}
