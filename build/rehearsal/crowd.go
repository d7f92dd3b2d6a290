package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"time"
)

// sample is how the devices are at one moment.
type sample struct {
	at          time.Duration  // since the rehearsal began
	Connected   int            `json:"connected"`
	Connections int            `json:"connections"` // since the start
	Waiting     int            `json:"waiting"`     // notes
	Dropped     int            `json:"dropped"`     // notes
	States      map[string]int `json:"states"`
	brokerMB    float64
}

// count is how many devices have the version in one of these states; of none
// given, in any.
func (s *sample) count(version int, states ...string) int {
	if len(states) == 0 {
		states = []string{"candidate", "probation", "confirmed", "rolled_back"}
	}
	n := 0
	for _, state := range states {
		n += s.States[fmt.Sprintf("%d %s", version, state)]
	}
	return n
}

// crowd is the process of the devices, looked at every second.
type crowd struct {
	command *exec.Cmd
	ended   chan struct{}
	came    chan struct{} // a sample; room for one

	mu      sync.Mutex // guards samples
	samples []sample
}

// gather starts the devices.
func gather(ctx context.Context, s *stage, began time.Time) (*crowd, error) {
	args := []string{"fleet", "simulate", "--json", "--devices", fmt.Sprint(s.plan.devices), "--prefix", prefix, "--tenant", tenant, "--channel", channel,
		"--broker", fmt.Sprintf("tls://127.0.0.1:%d", s.devices), "--ca", s.file("ca.crt"), "--password-file", s.file("password"),
		"--root", s.file("root.json"), "--rate", fmt.Sprint(s.rate), "--spread", (s.reconnect / 3).String(), "--reconnect", s.reconnect.String()}
	for i, r := range rings {
		share := fmt.Sprintf("=%d", r.pct)
		if i == len(rings)-1 {
			share = ""
		}
		args = append(args, "--ring", r.name+share)
	}
	c := &crowd{command: exec.CommandContext(ctx, s.program, args...), ended: make(chan struct{}), came: make(chan struct{}, 1)}
	out, err := c.command.StdoutPipe()
	if err == nil {
		err = c.command.Start()
	}
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			c.look(lines.Bytes(), time.Since(began), s)
		}
		_ = c.command.Wait() // it is killed in the end
	}()
	return c, nil
}

func (c *crowd) look(line []byte, at time.Duration, s *stage) {
	n := sample{at: at, brokerMB: s.brokerMB()}
	if json.Unmarshal(line, &n) != nil {
		return
	}
	c.mu.Lock()
	c.samples = append(c.samples, n)
	c.mu.Unlock()
	select {
	case c.came <- struct{}{}:
	default: // somebody is going to look anyway
	}
}

// all are the samples so far.
func (c *crowd) all() []sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samples[:len(c.samples):len(c.samples)]
}

// until waits for a sample of which something holds.
func (c *crowd) until(ctx context.Context, what string, holds func(*sample) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		select {
		case <-c.came:
		case <-c.ended:
			return fmt.Errorf("the devices ended while %s was waited for", what)
		case <-ctx.Done():
			return fmt.Errorf("%s did not come about: %+v", what, c.last())
		}
		if s := c.last(); holds(&s) {
			return nil
		}
	}
}

func (c *crowd) last() sample {
	if all := c.all(); len(all) > 0 {
		return all[len(all)-1]
	}
	return sample{}
}

func (c *crowd) end() {
	_ = c.command.Process.Kill() // it may be dead already
	<-c.ended
}
