package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cmd/fakecloud/fake"
)

// soak is one run.
type soak struct {
	plan
	first    *fake.Server // the cloud that fails
	second   *fake.Server // the one that does not
	daemon   *daemon
	tally    tally
	leaks    atomic.Int64 // private questions the clouds heard
	serial   atomic.Int64 // of questions
	begun    time.Time
	samples  []sample // of the second half
	measured bool     // the second half has had its first flood
	kills    int
	unwell   int // files of the store that are not well at the end
	orphans  int // processes that outlive the daemon
}

// run soaks a daemon and returns the figures.
func run(ctx context.Context, p plan) ([]figure, error) {
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &soak{plan: p, begun: time.Now(), tally: tally{counts: map[string]int{}}}
	s.first, s.second = fake.New(fake.Options{Heard: s.hear}), fake.New(fake.Options{Heard: s.hear})
	defer s.first.Close()
	defer s.second.Close()
	if err := errors.Join(s.first.Listen("127.0.0.1:0"), s.second.Listen("127.0.0.1:0")); err != nil {
		return nil, fmt.Errorf("start the fake clouds: %w", err)
	}
	if s.daemon, err = newDaemon(p.program, dir, s.first.URL(), s.second.URL()); err != nil {
		return nil, err
	}
	if err := s.live(ctx); err != nil {
		return nil, fmt.Errorf("%w; the daemon's log is %s", err, filepath.Join(dir, "log"))
	}
	s.orphans = processes(dir)
	return s.figures(), os.RemoveAll(dir)
}

// hear looks for what must not reach a cloud.
func (s *soak) hear(body []byte) {
	if bytes.Contains(body, []byte(secret)) {
		s.leaks.Add(1)
	}
}

// live has the daemon go through all troubles, again and again, until the time
// is over.
func (s *soak) live(ctx context.Context) error {
	if err := s.daemon.start(ctx); err != nil {
		return err
	}
	faults, acts := faults(), acts()
	for i := 0; time.Since(s.begun) < s.total; i++ {
		fault, act := faults[i%len(faults)], acts[i%len(acts)]
		late := time.Since(s.begun) > s.total/2
		switch { // the second half is one life, so that it can be measured, from its first flood on
		case late && !s.measured:
			act = acts[flooded]
		case late && act.ends:
			act = calm
		}
		if err := s.suffer(ctx, fault, act); err != nil {
			return errors.Join(fmt.Errorf("%s, cloud with fault %v: %w", act.name, fault, err), s.daemon.kill())
		}
		s.measured = late
	}
	return errors.Join(s.look(ctx), s.daemon.stop())
}

// look takes down what the daemon says of its store at the end.
func (s *soak) look(ctx context.Context) error {
	end, err := s.daemon.status(ctx)
	for _, f := range []file{end.Store.Queue, end.Store.Cache} {
		if f.State != "ok" {
			s.unwell++
		}
	}
	return err
}

// workers ask at a time; one of them asks the device.
const workers = 6

// rest is how long nothing is asked before the daemon is measured, and again
// for as long as it lets go of things, at most so often.
const (
	rest      = 300 * time.Millisecond
	mostRests = 20
)

// suffer is one round: load on a cloud that fails, an act in the middle of it,
// and a quiet moment.
func (s *soak) suffer(ctx context.Context, fault fake.Fault, a act) error {
	if err := s.first.Set(fault); err != nil {
		return err
	}
	load, stop := context.WithTimeout(ctx, s.round)
	defer stop()
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { s.work(ctx, load, i) })
	}
	pause(load, s.round/3)
	err := a.do(ctx, s)
	all.Wait()
	if err = errors.Join(err, hangUp(s.first), hangUp(s.second)); err != nil {
		return err
	}
	pause(ctx, rest)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.measure(ctx, a.name, fault)
}

// hangUp mends a cloud and has it close its connections, so that idle ones do
// not count as held.
func hangUp(cloud *fake.Server) error {
	return errors.Join(cloud.Set(fake.Fault{Kind: fake.Refused}), cloud.Set(fake.Fault{Kind: fake.None}))
}

// work asks until load ends.
func (s *soak) work(ctx, load context.Context, worker int) {
	list := kinds()
	for i := worker; load.Err() == nil; i++ {
		make := list[i%len(list)]
		if worker == 0 {
			make = local
		}
		s.ask(ctx, make)
		pause(load, 20*time.Millisecond)
	}
}

func (s *soak) ask(ctx context.Context, make func(string) question) {
	q := make(fmt.Sprintf("token-%d", s.serial.Add(1)))
	life := s.daemon.life.Load()
	r := s.daemon.ask(ctx, q)
	wasKilled := life%2 == 1 || s.daemon.life.Load() != life
	verdict := judge(q, r, wasKilled)
	if s.tally.add(q, verdict) {
		record, err := s.daemon.get(ctx, "/v1/decisions/"+r.id)
		fmt.Fprintf(os.Stderr, "%s: %+v: %+v\n%s %v\n", verdict, q, r, record, err)
	}
}

// settled is the daemon once it has let go of what the load had it hold, which
// takes a busy machine a while: when it holds no less than a moment before.
func (s *soak) settled(ctx context.Context) (sample, error) {
	s.daemon.http.CloseIdleConnections()
	one, err := s.daemon.sample(ctx)
	for range mostRests {
		if err != nil || ctx.Err() != nil {
			break
		}
		before := one
		pause(ctx, rest)
		if one, err = s.daemon.sample(ctx); one.descriptors >= before.descriptors && one.goroutines >= before.goroutines {
			break
		}
	}
	return one, err
}

func (s *soak) measure(ctx context.Context, did string, fault fake.Fault) error {
	one, err := s.settled(ctx)
	if err != nil {
		return err
	}
	one.at = time.Since(s.begun)
	fmt.Fprintf(os.Stderr, "%6.0f s  %5.1f MiB, %3.0f open, %3.0f goroutines, %2.0f threads; %s, %v\n",
		one.at.Seconds(), one.memory, one.descriptors, one.goroutines, one.threads, did, fault)
	if s.measured {
		s.samples = append(s.samples, one)
	}
	return nil
}
