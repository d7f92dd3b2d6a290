package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/openai"
)

// States of an engine.
const (
	Stopped     = "stopped"     // starts at the next ask
	Starting    = "starting"    // loads its model
	Ready       = "ready"       // answers
	Backoff     = "backoff"     // crashed; starts again after a pause
	Quarantined = "quarantined" // crashed too often; left alone for a while
	Broken      = "broken"      // cannot start: no engine, no model, wrong checksum
)

// How an engine is kept alive.
const (
	startTimeout = 2 * time.Minute
	stopGrace    = 3 * time.Second
	crashWindow  = 5 * time.Minute // this many crashes within it end in quarantine
	maxCrashes   = 3
	quarantine   = 5 * time.Minute
	maxQueue     = 32 // asks inside one engine, the one it answers included
)

// View is what can be seen of an engine at one moment.
type View struct {
	State string
	Why   string // what is wrong, and what to do
	PID   int
}

// engine owns the life of one model's process. One goroutine, in run, owns
// every field below inbox; others send it functions to perform. Nothing is
// locked while something is waited for.
type engine struct {
	model *Model
	opts  *Options
	log   *slog.Logger
	inbox chan func()
	done  chan struct{} // closed when run has returned
	view  atomic.Pointer[View]
	begin func(command []string, socket string) (*process, error)

	state   string
	why     string
	lives   sync.WaitGroup // goroutines of processes
	ctx     context.Context
	life    int // generation: news of an older life is dropped
	proc    *process
	waiting map[*ticket]bool
	inside  int // leases out
	crashes []time.Time
	timer   *time.Timer // idle stop, or the end of a pause
	checked bool        // command and model were found good
}

// lease is the right to one request to a running engine. over is closed once
// the process is gone and the owner knows.
type lease struct {
	client openai.Client
	life   int
	over   <-chan struct{}
}

// ticket is one ask that waits for the engine.
type ticket struct {
	granted chan lease // buffered, one
	refused chan error // buffered, one
}

func newEngine(m *Model, o *Options) *engine {
	e := &engine{
		model: m, opts: o, log: o.Log.With("model", m.Name), begin: startProcess,
		inbox: make(chan func()), done: make(chan struct{}),
		waiting: map[*ticket]bool{}, timer: time.NewTimer(time.Hour), state: Stopped,
	}
	e.timer.Stop()
	e.show()
	return e
}

// run owns the engine until ctx ends; the child is gone when it returns.
func (e *engine) run(ctx context.Context) {
	defer e.lives.Wait()
	defer close(e.done)
	defer e.timer.Stop()
	e.ctx = ctx
	if e.opts.Boot {
		e.start()
	}
	for {
		select {
		case f := <-e.inbox:
			f()
		case <-e.timer.C:
			e.tick()
		case <-ctx.Done():
			e.turnAway(openai.ErrDown)
			if e.proc != nil {
				e.proc.stop(stopGrace)
			}
			return
		}
		e.show()
	}
}

// do has the owner perform f; false when there is no owner any more.
func (e *engine) do(f func()) bool {
	select {
	case e.inbox <- f:
		return true
	case <-e.done:
		return false
	}
}

func (e *engine) show() {
	v := &View{State: e.state, Why: e.why}
	if e.proc != nil {
		v.PID = e.proc.pid
	}
	e.view.Store(v)
}

// acquire waits until the engine can take a request, starting it when needed.
// Every lease must be released.
func (e *engine) acquire(ctx context.Context) (lease, error) {
	t := &ticket{make(chan lease, 1), make(chan error, 1)}
	if !e.do(func() { e.admit(ctx, t) }) {
		return lease{}, openai.ErrDown
	}
	select {
	case l := <-t.granted:
		return l, nil
	case err := <-t.refused:
		return lease{}, err
	case <-ctx.Done():
		e.do(func() { e.withdraw(t) })
		return lease{}, context.Cause(ctx)
	case <-e.done:
		return lease{}, openai.ErrDown
	}
}

func (e *engine) release(l lease) {
	e.do(func() {
		if l.life == e.life {
			e.inside--
			e.idle()
		}
	})
}

func (e *engine) admit(ctx context.Context, t *ticket) {
	if ctx.Err() != nil {
		return
	}
	if e.inside+len(e.waiting) >= maxQueue {
		t.refused <- openai.ErrBusy
		return
	}
	switch e.state {
	case Ready:
		e.grant(t)
	case Quarantined:
		t.refused <- fmt.Errorf("%w: %s", openai.ErrDown, e.why)
	case Starting, Backoff:
		e.waiting[t] = true
	default:
		e.waiting[t] = true
		e.start()
	}
}

// withdraw takes back a ticket whose owner has gone, and its lease if it was
// granted meanwhile.
func (e *engine) withdraw(t *ticket) {
	delete(e.waiting, t)
	select {
	case l := <-t.granted:
		if l.life == e.life {
			e.inside--
			e.idle()
		}
	default:
	}
}

func (e *engine) grant(t *ticket) {
	e.inside++
	e.timer.Stop()
	t.granted <- lease{openai.Client{Base: "http://engine/v1", HTTP: e.proc.http}, e.life, e.proc.over}
}

func (e *engine) turnAway(err error) {
	for t := range e.waiting {
		t.refused <- err
	}
	clear(e.waiting)
}

// start begins a new life. What can be wrong without a process is found on
// another goroutine too, since hashing a model takes a while.
func (e *engine) start() {
	e.state, e.why = Starting, "loading the model"
	e.life++
	e.inside = 0
	life, checked := e.life, e.checked
	e.lives.Go(func() { e.launch(e.ctx, life, checked) })
}

// launch checks, starts and waits, and tells the owner what came of it.
func (e *engine) launch(ctx context.Context, life int, checked bool) {
	if !checked {
		if err := e.check(ctx); err != nil {
			e.do(func() { e.broken(life, err) })
			return
		}
	}
	socket := filepath.Join(e.opts.Dir, fmt.Sprintf("%s-%d.sock", e.model.Name, life))
	os.Remove(socket) // of a daemon that was killed
	p, err := e.begin(e.command(socket), socket)
	if err != nil {
		e.do(func() { e.broken(life, err) })
		return
	}
	defer close(p.over)
	if !e.do(func() { e.proc, e.checked = p, true }) {
		p.kill()
		return
	}
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.waitReady(ready); err != nil {
		p.kill()
		e.do(func() { e.crashed(life, err.Error()) })
		return
	}
	p.said.close()
	e.do(func() { e.ready(life) })
	<-p.exited
	e.do(func() { e.crashed(life, fmt.Sprintf("the engine ended: %v", p.err)) })
}

func (e *engine) ready(life int) {
	if life != e.life {
		return
	}
	e.state, e.why = Ready, ""
	e.log.Info("engine ready", "pid", e.proc.pid)
	for t := range e.waiting {
		e.grant(t)
	}
	clear(e.waiting)
	e.idle()
}

// idle sets the timer that ends an unused engine.
func (e *engine) idle() {
	if e.state == Ready && e.inside == 0 && e.opts.Idle > 0 {
		e.timer.Reset(e.opts.Idle)
	}
}

// tick is the timer: an engine idle for long ends, a pause is over.
func (e *engine) tick() {
	switch e.state {
	case Ready:
		if e.inside > 0 {
			return
		}
		e.log.Info("engine idle, stopping it")
		e.retire()
	case Backoff:
		e.start()
	case Quarantined, Broken:
		e.crashes = nil
		e.state, e.why = Stopped, ""
	}
}

// retire ends the process of a life that is over.
func (e *engine) retire() {
	e.life++
	e.inside = 0
	e.state, e.why = Stopped, ""
	if p := e.proc; p != nil {
		e.proc = nil
		e.lives.Go(func() { p.stop(stopGrace) })
	}
}

// crashed deals with a process that ended by itself: at once again after the
// first crash, then after a pause, then not for a while.
func (e *engine) crashed(life int, why string) {
	if life != e.life {
		return
	}
	e.log.Warn("engine crashed", "why", why)
	e.proc, e.inside = nil, 0
	e.life++
	now := time.Now()
	recent := e.crashes[:0]
	for _, at := range e.crashes {
		if now.Sub(at) < crashWindow {
			recent = append(recent, at)
		}
	}
	e.crashes = append(recent, now)
	e.turnAway(fmt.Errorf("%w: %s", openai.ErrDown, why))
	switch n := len(e.crashes); {
	case n >= maxCrashes:
		e.state, e.why = Quarantined, fmt.Sprintf("%d crashes in %v, left alone for %v; the last: %s", n, crashWindow, quarantine, why)
		e.timer.Reset(quarantine)
	case n > 1:
		e.state, e.why = Backoff, why
		e.timer.Reset(time.Duration(n-1) * time.Second)
	default:
		e.state, e.why = Stopped, why
	}
}

// broken deals with what no new start can mend by itself: it is looked at
// again at the next ask after a while.
func (e *engine) broken(life int, err error) {
	if life != e.life {
		return
	}
	e.log.Error("engine cannot start", "err", err)
	e.state, e.why = Broken, err.Error()
	e.turnAway(fmt.Errorf("%w: %w", openai.ErrDown, err))
	e.timer.Reset(crashWindow)
}
