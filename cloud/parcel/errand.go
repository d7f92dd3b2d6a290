package parcel

import (
	"context"
	"errors"
	"slices"
	"time"
)

// errand is the fetching of one file, on a goroutine of its own.
type errand struct {
	Wish
	stop  context.CancelCauseFunc
	ended chan error // what came of it
}

// errNoUse ends an errand whose file is not wanted any more, or not now.
var errNoUse = errors.New("it is not wanted now")

// Run fetches what is wanted until ctx ends. It is to be called once.
func (y *Yard) Run(ctx context.Context) error {
	defer y.root.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			y.call()
			return nil
		case err := <-y.end():
			y.came(ctx, err)
		case <-y.woken:
		case <-timer.C:
		}
		timer.Reset(y.turn(ctx))
	}
}

// end tells what came of the errand; never, while there is none.
func (y *Yard) end() <-chan error {
	if y.out == nil {
		return nil
	}
	return y.out.ended
}

// call ends the errand, if there is one, and waits for that.
func (y *Yard) call() {
	if y.out != nil {
		y.out.stop(errNoUse)
		<-y.out.ended
	}
}

// turn looks at the network, the disk and the wishes, and does what they ask for.
// It returns how long until the next look, if nothing happens.
func (y *Yard) turn(ctx context.Context) time.Duration {
	is := y.conditions() // before the lock: who knows them may ask for the status
	if y.tidy(time.Now(), is) {
		is = y.conditions()
	}
	if y.out != nil {
		if !y.wants(y.out.File, is) {
			y.out.stop(errNoUse)
		}
		return look
	}
	wish, wait := y.next(time.Now(), is)
	if wish != nil {
		y.send(ctx, *wish)
	}
	return wait
}

// wants tells whether a file that is being fetched is of use still, from whatever
// address, and may cost what it costs now.
func (y *Yard) wants(f File, is conditions) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.ContainsFunc(y.missing(), func(w Wish) bool { return w.SHA256 == f.SHA256 && w.Bytes == f.Bytes && !is.dear(w) })
}

// send has a file fetched once.
func (y *Yard) send(ctx context.Context, w Wish) {
	ctx, stop := context.WithCancelCause(ctx)
	y.out = &errand{w, stop, make(chan error, 1)}
	ended := y.out.ended
	go func() {
		err := y.fetch(ctx, w.File)
		if err != nil && context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		stop(nil)
		ended <- err
	}()
}

// came takes note of what came of the errand.
func (y *Yard) came(ctx context.Context, err error) {
	w := y.out.Wish
	y.out = nil
	if ctx.Err() != nil || errors.Is(err, errNoUse) {
		return
	}
	y.note(w.File, err)
	if err != nil {
		y.Log.Warn("a file from outside has not come", "file", w.Name, "err", err)
		return
	}
	y.Log.Info("a file from outside has come", "file", w.Name, "bytes", w.Bytes)
	y.Got(w.File)
}

func (y *Yard) note(f File, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	t := y.trial(f)
	if err == nil {
		*t = trial{rotten: t.rotten}
		return
	}
	most := mostRetry
	if errors.Is(err, ErrAltered) {
		most = mostAltered
	}
	bound := min(most, firstRetry<<min(t.failures, 20))
	wait := max(time.Second, time.Duration(y.Random()*float64(bound)))
	var busy *busy
	if errors.As(err, &busy) {
		wait = max(wait, busy.after)
	}
	var lost *lost
	t.lost = errors.As(err, &lost)
	t.failures++
	t.fault, t.next = err.Error(), time.Now().Add(wait)
}

// Retry has what failed for want of a network tried again soon: there may be one
// again. It never waits.
func (y *Yard) Retry() {
	y.mu.Lock()
	for _, t := range y.trials {
		if t.lost {
			t.failures, t.lost = 0, false
			t.next = time.Now().Add(time.Duration(y.Random() * float64(firstRetry)))
		}
	}
	y.mu.Unlock()
	y.Wake()
}
