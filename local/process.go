package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one life of an engine.
type process struct {
	socket string
	pid    int
	http   *http.Transport
	exited chan struct{} // closed when it is gone and waited for
	over   chan struct{} // closed when its owner knows, too
	err    error         // how it ended; valid after exited
	said   *tail
}

// startProcess runs the command and returns when it has started or could not.
// The child dies with this process: the kernel ties its life to the thread
// that forked it, so that thread is kept until the child is gone.
func startProcess(command []string, socket string) (*process, error) {
	p := &process{socket: socket, exited: make(chan struct{}), over: make(chan struct{}), said: &tail{}, http: unixTransport(socket)}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = childEnv()
	cmd.Stdout, cmd.Stderr = p.said, p.said
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			p.http.CloseIdleConnections()
			os.Remove(socket)
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	return p, nil
}

// childEnv has what a program needs to run and no secrets.
func childEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func unixTransport(socket string) *http.Transport {
	var d net.Dialer
	return &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		DisableCompression: true,
		MaxIdleConns:       8,
	}
}

// stop asks the process to end and kills it and its group after grace.
func (p *process) stop(grace time.Duration) {
	_ = syscall.Kill(p.pid, syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(grace):
	}
	p.kill()
}

func (p *process) kill() {
	select {
	case <-p.exited:
		return // the number may belong to somebody else by now
	default:
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.exited
}

// waitReady blocks until the engine has loaded its model, ended, or ctx ends.
func (p *process) waitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.healthy(ctx) {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("the engine ended while loading: %v; it said: %s", p.err, p.said)
		case <-ctx.Done():
			return errors.New("the engine did not become ready in time")
		case <-tick.C:
		}
	}
}

func (p *process) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/health", nil)
	if err != nil {
		return false
	}
	resp, err := p.http.RoundTrip(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// tail keeps the last line of what an engine says while it loads. It is shown
// when loading fails, and never holds what comes after.
type tail struct {
	mu   sync.Mutex // guards all below
	text []byte
	off  bool
}

const tailBytes = 600

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.off {
		t.text = append(t.text, b...)
		t.text = t.text[max(0, len(t.text)-tailBytes):]
	}
	return len(b), nil
}

// close forgets the text and all that follows: from here on an engine may say
// something about an ask.
func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text, t.off = nil, true
}

// String is the last line that says something.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// oldestBuild is the first llama.cpp build without CVE-2026-107183.
const oldestBuild = 11393

var versionLine = regexp.MustCompile(`version: b?(\d+)`)

// checkBuild refuses engines with a known hole. One that does not tell its
// build is taken, since it may not be a llama-server at all.
func checkBuild(ctx context.Context, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], "--version")...)
	cmd.Env = childEnv()
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.Process == nil && ctx.Err() == nil { // not there, not a program, not allowed
		return fmt.Errorf("the engine %s cannot be run (%w); install llama-server or run make setup", command[0], err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return nil
	}
	if build, _ := strconv.Atoi(string(m[1])); build > 0 && build < oldestBuild {
		return fmt.Errorf("the engine %s is build %d, older than %d, and has CVE-2026-107183; install a newer llama-server or run make setup", command[0], build, oldestBuild)
	}
	return nil
}
