package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// rehearsal is what was rehearsed, and what came of it.
type rehearsal struct {
	*stage
	*crowd
	began   time.Time
	scenes  []scene
	figures []figure
}

// scene is one part of a rehearsal.
type scene struct {
	name       string
	begin, end time.Duration
	result     string
}

// figure is one result, and the most it may be; below 0 anything.
type figure struct {
	name  string
	value float64
	unit  string
	most  float64
}

// rehearse plays all scenes.
func rehearse(ctx context.Context, p plan) (*rehearsal, error) {
	s, err := build(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.close() }() // a folder in the temporary one
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	r := &rehearsal{stage: s, began: time.Now()}
	if r.crowd, err = gather(ctx, s, r.began); err != nil {
		return nil, err
	}
	defer r.crowd.end()
	for _, scene := range []struct {
		name string
		play func(context.Context) (string, error)
	}{
		{"devices come up", r.comeUp},
		{"good policy, 1 % to 10 % to 100 %", r.good},
		{"careless policy, 1 %", r.bad},
		{"one push to all", r.push},
		{"the broker is killed and comes back", r.loss},
	} {
		begin := time.Since(r.began)
		result, err := scene.play(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", scene.name, err)
		}
		r.add(scene.name, begin, result)
	}
	r.sizes()
	return r, nil
}

func (r *rehearsal) add(name string, begin time.Duration, result string) {
	end := time.Since(r.began)
	r.scenes = append(r.scenes, scene{name, begin, end, result})
	fmt.Fprintf(os.Stderr, "%6.1f s  %s: %s\n", end.Seconds(), name, result)
}

func (r *rehearsal) figure(name string, value float64, unit string, most float64) {
	r.figures = append(r.figures, figure{name, value, unit, most})
}

func (r *rehearsal) connected(s *sample) bool { return s.Connected == r.plan.devices }

func (r *rehearsal) comeUp(ctx context.Context) (string, error) {
	if err := r.until(ctx, "all connected", r.connected); err != nil {
		return "", err
	}
	up := time.Since(r.began)
	err := r.until(ctx, "a time before", func(s *sample) bool { return s.at > up+r.before })
	return fmt.Sprintf("%d connected after %.0f s", r.plan.devices, up.Seconds()), err
}

// good rolls a policy out that does no harm.
func (r *rehearsal) good(ctx context.Context) (string, error) {
	code, said, err := r.rollout(ctx, 1, r.standard)
	if err == nil && code != 0 {
		err = fmt.Errorf("the rollout ended with %d: %s", code, said)
	}
	if err == nil {
		err = r.until(ctx, "version 1 everywhere", func(s *sample) bool { return s.count(1, "probation", "confirmed") == r.plan.devices })
	}
	return "in force on all devices", err
}

// bad rolls one out that answers all on the device, however poorly.
func (r *rehearsal) bad(ctx context.Context) (string, error) {
	begin := time.Since(r.began)
	code, said, err := r.rollout(ctx, 2, careless(r.standard))
	if err == nil && code != 3 {
		err = fmt.Errorf("the rollout ended with %d, not 3: %s", code, said)
	}
	if err == nil {
		err = r.until(ctx, "version 2 rolled back", func(s *sample) bool { return s.count(2) == 0 && s.at > begin })
	}
	most := 0
	for _, s := range r.all() {
		most = max(most, s.count(2))
	}
	end := r.last()
	rolled := end.count(0, "rolled_back") + end.count(1, "rolled_back")
	r.figure("bad_reached_pct", 100*float64(max(most, rolled))/float64(r.plan.devices), "%", 3)
	r.figure("bad_in_force_s", (time.Since(r.began) - begin).Seconds(), "s", 120)
	if rolled == 0 && err == nil {
		err = errors.New("no device rolled it back")
	}
	return fmt.Sprintf("aborted itself; %d devices had it and rolled it back", rolled), err
}

// push steers all devices at once.
func (r *rehearsal) push(ctx context.Context) (string, error) {
	file, err := r.sign(ctx, 3, strings.Replace(r.standard, "near: 0.4", "near: 0.5", 1))
	if err != nil {
		return "", err
	}
	begin := time.Now()
	args := []string{"push", file, "--until", "applied", "--wait", "2m"}
	for _, ring := range rings {
		args = append(args, "--ring", ring.name)
	}
	if text, err := r.operator(ctx, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("push: %w: %s", err, text)
	}
	all := time.Since(begin)
	err = r.until(ctx, "version 3 everywhere", func(s *sample) bool { return s.count(3, "probation", "confirmed") == r.plan.devices })
	r.figure("push_applied_s", all.Seconds(), "s", 30)
	return fmt.Sprintf("applied and reported by all after %.1f s", all.Seconds()), err
}

// loss kills the broker and starts it again.
func (r *rehearsal) loss(ctx context.Context) (string, error) {
	r.shut()
	if err := r.until(ctx, "all disconnected", func(s *sample) bool { return s.Connected == 0 }); err != nil {
		return "", err
	}
	lost := r.last()
	if err := r.open(ctx); err != nil {
		return "", err
	}
	open := time.Since(r.began)
	if err := r.until(ctx, "most are back", func(s *sample) bool { return s.Connected >= r.plan.devices*98/100 }); err != nil {
		return "", err
	}
	most, total, seconds := r.returns(lost, open)
	if err := r.until(ctx, "all are back, and all was told", func(s *sample) bool { return r.connected(s) && s.Waiting == 0 }); err != nil {
		return "", err
	}
	mean := total / seconds
	r.figure("reconnects_peak_over_mean", most/mean, "x", 3)
	r.figure("notes_dropped", float64(r.last().Dropped), "notes", 0)
	return fmt.Sprintf("98 %% back after %.0f s, at most %.0f in a second (mean %.0f); all after %.0f s", seconds, most, mean, time.Since(r.began).Seconds()-open.Seconds()), nil
}

// returns counts the reconnects since the broker opened: the most in a second,
// all, and how many seconds.
func (r *rehearsal) returns(from sample, open time.Duration) (most, total, seconds float64) {
	last := from
	for _, s := range r.all() {
		if s.at <= open {
			continue
		}
		rate := float64(s.Connections-last.Connections) / (s.at - last.at).Seconds()
		if last.at < open {
			rate = float64(s.Connections-last.Connections) / max(1, (s.at-open).Seconds())
		}
		most, last = max(most, rate), s
	}
	return most, float64(last.Connections - from.Connections), max(1, (last.at - open).Seconds())
}

func (r *rehearsal) sizes() {
	most := 0.0
	for _, s := range r.all() {
		most = max(most, s.brokerMB)
	}
	r.figure("broker_mb", most, "MB", -1)
	r.figure("device_kb", 1024*residentMB(r.command.Process.Pid)/float64(r.plan.devices), "kB", -1)
}

// rollout is nearside fleet rollout in stages, and its exit code.
func (r *rehearsal) rollout(ctx context.Context, version int, body string) (code int, said string, err error) {
	file, err := r.sign(ctx, version, body)
	if err != nil {
		return 0, "", err
	}
	args := []string{"rollout", file, "--stages", "1,10,100", "--soak", r.soak.String(), "--until", r.plan.until, "--device-timeout", "2m", "--abort-min", "1"}
	for _, ring := range rings {
		args = append(args, "--ring", ring.name)
	}
	text, err := r.operator(ctx, args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(text), nil
	}
	return 0, string(text), err
}

// careless is a policy that takes whatever the device says, and never asks
// anybody else.
func careless(standard string) string {
	takesAll := strings.Replace(standard, "confidence: {default: 0.25, smollm2-135m: 0.25}", "confidence: {default: 0}", 1)
	return strings.Replace(takesAll, "\nrules:", "\nrules:\n  - {name: never, when: {field: service, in: [chat]}, then: {deny: [cloud]}}", 1)
}
