package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const program = "bin/nearside"

// child is a server in a process of its own, listening on a Unix socket.
type child struct {
	cmd    *exec.Cmd
	client *http.Client
}

// launch starts a server and returns when a GET of path gets an answer of 200,
// and how long that took from the start of the process.
func launch(ctx context.Context, cmd *exec.Cmd, socket, path string) (*child, time.Duration, error) {
	var dial net.Dialer
	c := &child{cmd: cmd, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers,
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "unix", socket) },
	}}}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	for time.Since(begun) < 10*time.Second && ctx.Err() == nil {
		resp, err := c.client.Get("http://localhost" + path)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return c, time.Since(begun), nil
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	c.stop()
	return nil, 0, fmt.Errorf("%s does not answer", cmd.Path)
}

// stop ends the server and waits for it.
func (c *child) stop() {
	c.client.CloseIdleConnections()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// daemon starts nearside on a state of its own, with two targets that both are
// the fake cloud, and whatever engine and model are installed. No ask goes to
// the engine, so it is never started.
func (l *lab) daemon(ctx context.Context, state string) (*child, time.Duration, error) {
	config, socket := filepath.Join(l.dir, "nearside.yaml"), filepath.Join(l.dir, "n.sock")
	text := fmt.Sprintf(`
listen: {socket: %s, http: ""}
state: %s
cloud:
  targets:
    - {name: first, kind: openai, base_url: "%[3]s/v1", models: {chat: fake-model}, price: {input: 0.4, output: 1.6}}
    - {name: second, kind: openai, base_url: "%[3]s/v1", models: {chat: fake-model}, price: {input: 0.4, output: 1.6}}
log: {level: warn}
`, socket, filepath.Join(l.dir, state), l.cloud)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, 0, fmt.Errorf("write config: %w", err)
	}
	cmd := exec.Command(program, "serve", "--config", config)
	cmd.Stderr = os.Stderr
	return launch(ctx, cmd, socket, "/healthz")
}

// starts is how often the start is measured.
const starts = 15

// start measures the size of the program, and how long it takes from exec to
// the first 200: on a state folder that is there, as after a restart.
func start(ctx context.Context, l *lab) error {
	info, err := os.Stat(program)
	if err != nil {
		return fmt.Errorf("look at the program (make build makes it): %w", err)
	}
	l.sheet.add("binary_mb", float64(info.Size())/1e6, "MB")
	note("starting %d times", starts+1)
	var took []time.Duration
	for i := range starts + 1 {
		c, d, err := l.daemon(ctx, "state")
		if err != nil {
			return err
		}
		err = c.opened(ctx)
		c.stop()
		if err != nil {
			return err
		}
		if i > 0 { // the first one made the folder
			took = append(took, d)
		}
	}
	l.sheet.add("start_ms", millis(quantile(took, 0.5)), "ms")
	return nil
}

// opened returns once the store, which opens beside the first answers, is open.
func (c *child) opened(ctx context.Context) error {
	for begun := time.Now(); time.Since(begun) < 10*time.Second && ctx.Err() == nil; {
		resp, err := c.client.Get("http://localhost/v1/status")
		if err != nil {
			return fmt.Errorf("ask for the status: %w", err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("read the status: %w", err)
		}
		if !strings.Contains(string(text), `"state":"opening"`) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("the store does not open")
}

// The daemon does nothing for settle before its memory is measured, and for
// idleFor before its processor time is.
const (
	settle  = 3 * time.Second
	idleFor = 20 * time.Second
)

// idle measures the memory and the processor time of a daemon that has just
// been started and does nothing but sense the device.
func idle(ctx context.Context, l *lab) error {
	c, _, err := l.daemon(ctx, "state")
	if err != nil {
		return err
	}
	defer c.stop()
	note("idle for %v", settle+idleFor)
	if err := wait(ctx, settle); err != nil {
		return err
	}
	anon, err1 := c.memory("smaps_rollup", "Anonymous:")
	rss, err2 := c.memory("status", "VmRSS:")
	before, err3 := c.cpu()
	if err := first(err1, err2, err3, wait(ctx, idleFor)); err != nil {
		return err
	}
	after, err := c.cpu()
	l.sheet.add("anon_idle_mb", anon, "MB")
	l.sheet.add("rss_idle_mb", rss, "MB")
	l.sheet.add("cpu_idle_pct", (after-before)/float64(idleFor.Microseconds())*100, "%")
	return err
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// memory reads a figure in kB from a file in the process's folder of /proc, in MB.
func (c *child) memory(file, name string) (float64, error) {
	text, err := c.proc(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/%s has no %s", file, name)
}

// cpu is the processor time that the threads of the process have used so far,
// in microseconds.
func (c *child) cpu() (float64, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("measure the process: no threads: %w", err)
	}
	sum := 0.0
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread ended
		}
		var ns float64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("read %s: %w", task, err)
		}
		sum += ns / 1000
	}
	return sum, nil
}

func (c *child) proc(file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", c.cmd.Process.Pid, file))
	if err != nil {
		return "", fmt.Errorf("measure the process: %w", err)
	}
	return string(text), nil
}
