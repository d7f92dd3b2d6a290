package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"nearside/agent/openai/fault"
	"nearside/local/weights"
)

// How an engine is kept alive.
const (
	startTimeout = 2 * time.Minute
	crashWindow  = 5 * time.Minute // this many crashes within it end in quarantine
	maxCrashes   = 3
	quarantine   = 5 * time.Minute
	brokenPause  = 30 * time.Second
)

// start begins a new life. What can be wrong without a process is found on
// another goroutine too, since hashing a model takes a while.
func (e *engine) start() {
	e.state, e.why = Starting, "loading the model"
	e.life++
	e.inside = 0
	life, known := e.life, e.checked
	e.lives.Go(func() { e.launch(e.ctx, life, known) })
}

// launch checks, starts and waits, and tells the owner what came of it. Known
// is the model file as it was when it was last found good.
func (e *engine) launch(ctx context.Context, life int, known weights.Stamp) {
	p, known, err := e.begin(ctx, known)
	if err != nil {
		e.do(func() { e.broken(life, err) })
		return
	}
	defer close(p.over)
	if !e.do(func() { e.proc, e.gaps, e.checked = p, p.gaps, known; e.started++ }) {
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
	p.said.Close() // from here on it may say something about an ask
	e.do(func() { e.ready(life) })
	<-p.exited
	e.do(func() { e.crashed(life, p.ending()) })
}

// begin starts the process when engine and model are good. The socket's name
// is no other daemon's.
func (e *engine) begin(ctx context.Context, known weights.Stamp) (*process, weights.Stamp, error) {
	known, err := e.check(ctx, known)
	if err != nil {
		return nil, weights.Stamp{}, err
	}
	if err := os.MkdirAll(e.opts.Dir, 0o700); err != nil { // somebody may have cleaned up
		return nil, weights.Stamp{}, fmt.Errorf("make the folder of the engine's socket: %w", err)
	}
	socket := filepath.Join(e.opts.Dir, socketPrefix+rand.Text()[:12]+socketSuffix)
	spec, err := e.spec(socket)
	if err != nil {
		return nil, weights.Stamp{}, err
	}
	p, err := startProcess(spec, socket)
	return p, known, err
}

func (e *engine) ready(life int) {
	if life != e.life {
		return
	}
	e.state, e.why = Ready, ""
	e.show()
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
	case Quarantined, Broken, Short:
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
		e.lives.Go(p.stop)
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
	e.failed++
	now := time.Now()
	recent := e.crashes[:0]
	for _, at := range e.crashes {
		if now.Sub(at) < crashWindow {
			recent = append(recent, at)
		}
	}
	e.crashes = append(recent, now)
	switch n := len(e.crashes); {
	case n >= maxCrashes:
		e.state, e.why = Quarantined, fmt.Sprintf("%d crashes in %v, left alone for %v; the last: %s", n, crashWindow, quarantine, why)
		e.timer.Reset(quarantine)
	case n > 1:
		pause := time.Duration(n-1) * time.Second
		e.state, e.why = Backoff, fmt.Sprintf("pauses for %v after crash %d: %s", pause, n, why)
		e.timer.Reset(pause)
	default:
		e.state, e.why = Stopped, why
	}
	e.turnAway(fmt.Errorf("%w: %s", fault.ErrDown, why))
}

// broken deals with what no new start can mend by itself. Asks are turned away
// for a while; the first one after that looks again.
func (e *engine) broken(life int, err error) {
	if life != e.life {
		return
	}
	e.log.Error("engine cannot start", "err", err)
	e.state, e.why = Broken, err.Error()
	if errors.Is(err, errShort) {
		e.state = Short
	}
	e.turnAway(fmt.Errorf("%w: %w", fault.ErrDown, err))
	e.timer.Reset(brokenPause)
}

// suspect has an engine that let a request run out of time asked for a sign of
// life, and kills it when there is none: then it hangs. A slow one answers.
func (e *engine) suspect(life int) {
	e.do(func() {
		p := e.proc
		if life != e.life || p == nil || p.suspected.Swap(true) {
			return
		}
		e.lives.Go(func() {
			defer p.suspected.Store(false)
			if p.health(e.ctx) == 0 && e.ctx.Err() == nil {
				p.condemn("the engine hung: it gave no answer and no sign of life; it was killed")
			}
		})
	})
}

// lost deals with an engine at whose socket nobody listens any more.
func (e *engine) lost(life int) {
	e.do(func() {
		if life == e.life && e.proc != nil {
			e.proc.condemn("nobody listens at the engine's socket; it was killed")
		}
	})
}
