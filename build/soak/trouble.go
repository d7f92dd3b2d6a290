package main

import (
	"context"
	"sync"
	"syscall"

	"nearside/cmd/fakecloud/fake"
)

// act is what somebody does in the middle of a round.
type act struct {
	name string
	do   func(context.Context, *soak) error
	ends bool // the daemon's life
}

// calm is to do nothing.
var calm = act{name: "calm", do: func(context.Context, *soak) error { return nil }}

// flooded is the place of the flood among the acts.
const flooded = 4

// acts are all that is done; their number and that of the faults have no
// factor in common, so that each meets each.
func acts() []act {
	return []act{
		calm,
		{name: "daemon killed", do: killDaemon, ends: true},
		{name: "engine killed", do: killEngine},
		calm,
		{name: "flood", do: flood},
	}
}

// faults are all ways for the first cloud to fail.
func faults() []fake.Fault {
	return []fake.Fault{
		{Kind: fake.None},
		{Kind: fake.CutStream, After: 2},
		{Kind: fake.Status, Status: 503},
		{Kind: fake.EndStream, After: 2},
		{Kind: fake.Hang},
		{Kind: fake.CutJSON, After: 1},
		{Kind: fake.Refused},
		{Kind: fake.ErrorStream, After: 2},
		{Kind: fake.Status, Status: 429, RetryAfterS: 1},
		{Kind: fake.HTML},
		{Kind: fake.Latency, MS: 300},
		{Kind: fake.Empty},
	}
}

// flood asks 640 questions, 64 at a time.
func flood(ctx context.Context, s *soak) error {
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 10 {
				s.ask(ctx, stream)
			}
		})
	}
	all.Wait()
	return nil
}

// killEngine ends the engine, if there is one, as the kernel does when memory
// is short.
func killEngine(ctx context.Context, s *soak) error {
	now, err := s.daemon.status(ctx)
	if err != nil || now.Engine.PID == 0 {
		return err
	}
	s.kills++
	return syscall.Kill(now.Engine.PID, syscall.SIGKILL)
}

func killDaemon(ctx context.Context, s *soak) error {
	s.kills++
	if err := s.daemon.kill(); err != nil {
		return err
	}
	return s.daemon.start(ctx)
}
