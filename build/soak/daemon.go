package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// daemon is nearside in a process of its own. It has several lives; the number
// of the present one is odd while it is down.
type daemon struct {
	program, dir string
	cmd          *exec.Cmd
	http         http.Client
	life         atomic.Int64
	log          *os.File
}

const config = `
listen: {socket: %[1]s/s, http: ""}
state: %[1]s/state
cloud:
  targets:
    - {name: first, kind: openai, base_url: "%[2]s/v1", models: {chat: fake-model}}
    - {name: second, kind: openai, base_url: "%[3]s/v1", models: {chat: fake-model}}
`

// newDaemon is a daemon with two clouds, not started.
func newDaemon(program, dir, first, second string) (*daemon, error) {
	text := fmt.Sprintf(config, dir, first, second)
	if err := os.WriteFile(filepath.Join(dir, "nearside.yaml"), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	d := &daemon{program: program, dir: dir, log: log}
	d.http.Transport = &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "s"))
		},
	}
	d.life.Store(1)
	return d, nil
}

// startLimit is how long a start may take on a busy machine.
const startLimit = 2 * time.Minute

func (d *daemon) start(ctx context.Context) error {
	d.cmd = exec.Command(d.program, "serve", "--config", filepath.Join(d.dir, "nearside.yaml"))
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.dir)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start %s (make build makes it): %w", d.program, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := d.get(ctx, "/healthz"); err == nil {
			d.life.Add(1)
			return nil
		}
		pause(ctx, 5*time.Millisecond)
	}
	return errors.Join(fmt.Errorf("the daemon does not answer: %w", ctx.Err()), d.kill())
}

// kill ends the daemon as a power cut does.
func (d *daemon) kill() error {
	if d.life.Load()%2 == 0 {
		d.life.Add(1)
	}
	if err := d.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the daemon: %w", err)
	}
	_ = d.cmd.Wait() // it says that it was killed
	d.http.CloseIdleConnections()
	return nil
}

// stop ends the daemon as an operator does; it must end well and leave no
// process behind.
func (d *daemon) stop() error {
	d.http.CloseIdleConnections()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon ended badly: %w", err)
	}
	return d.log.Close()
}

func (d *daemon) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return text, err
}

// state is what is read of the status.
type state struct {
	Engine struct{ PID int } // 0 without one
	Store  struct{ Queue, Cache file }
}

type file struct{ State string }

func (d *daemon) status(ctx context.Context) (s state, err error) {
	text, err := d.get(ctx, "/v1/status")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read the status: %w", err)
	}
	return s, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
