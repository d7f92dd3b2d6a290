package local

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/fault"
	"nearside/local/sandbox"
	"nearside/local/weights"
)

// States of an engine.
const (
	Stopped     = "stopped"     // starts at the next ask
	Starting    = "starting"    // loads its model
	Ready       = "ready"       // answers
	Backoff     = "backoff"     // crashed, or nobody answers at its URL; tried again after a pause
	Quarantined = "quarantined" // crashed too often; left alone for a while
	Broken      = "broken"      // cannot start: no engine, no model, wrong checksum
	Short       = "short"       // not started, since memory is short; looked at again after a pause
)

// maxQueue bounds the asks inside one engine, the one it answers included.
const maxQueue = 32

// View is what can be seen of an engine at one moment.
type View struct {
	State string
	Why   string // what is wrong, and what to do
	PID   int
	Gaps  []sandbox.Gap // what its latest process ran unprotected from

	Starts  int // processes started so far
	Crashes int // of them, those that ended by themselves
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

	state   string
	why     string
	lives   sync.WaitGroup // goroutines of processes
	ctx     context.Context
	life    int // generation: news of an older life is dropped
	proc    *process
	gaps    []sandbox.Gap // of the latest process
	waiting map[*ticket]bool
	inside  int // leases out
	crashes []time.Time
	started int
	failed  int
	timer   *time.Timer   // idle stop, or the end of a pause
	checked weights.Stamp // the model file as it was when command and model were found good
}

// lease is the right to one request to a running engine. over is closed once
// the process is gone and the owner knows.
type lease struct {
	client client.Client
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
		model: m, opts: o, log: o.Log.With("model", m.Name),
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
			e.turnAway(fault.ErrDown)
			if e.proc != nil {
				e.proc.stop()
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
	v := &View{State: e.state, Why: e.why, Gaps: e.gaps, Starts: e.started, Crashes: e.failed}
	if e.proc != nil {
		v.PID = e.proc.pid
	}
	was := e.view.Swap(v)
	if e.opts.Changed != nil && was != nil && (was.State != v.State || was.PID != v.PID || was.Why != v.Why) {
		e.opts.Changed()
	}
}

// acquire waits until the engine can take a request, starting it when needed.
// Every lease must be released.
func (e *engine) acquire(ctx context.Context) (lease, error) {
	t := &ticket{make(chan lease, 1), make(chan error, 1)}
	if !e.do(func() { e.admit(ctx, t) }) {
		return lease{}, fault.ErrDown
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
		return lease{}, fault.ErrDown
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
		t.refused <- fault.ErrBusy
		return
	}
	switch e.state {
	case Ready:
		e.grant(t)
	case Quarantined, Broken, Short:
		t.refused <- fmt.Errorf("%w: %s", fault.ErrDown, e.why)
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
	t.granted <- lease{client.Client{Base: "http://engine/v1", HTTP: e.proc.http}, e.life, e.proc.over}
}

// turnAway refuses all that wait; they find the state that led to it.
func (e *engine) turnAway(err error) {
	e.show()
	for t := range e.waiting {
		t.refused <- err
	}
	clear(e.waiting)
}
