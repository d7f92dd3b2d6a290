package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How the process of an engine is spoken to.
const (
	stopGrace   = 3 * time.Second
	maxConns    = 4 // a llama-server lets five connections wait, and more fail
	healthLimit = time.Second
)

// process is one life of an engine: a leader, and what it started in its group.
type process struct {
	pid    int
	http   *http.Transport // for asks
	probe  *http.Transport // for signs of life, which wait behind no ask
	exited chan struct{}   // closed when it is gone and waited for
	over   chan struct{}   // closed when its owner knows, too
	err    error           // how it ended; valid after exited
	said   *tail

	why       atomic.Pointer[string] // why it was killed; nil while it was not
	suspected atomic.Bool            // it is being asked for a sign of life
	mu        sync.Mutex             // guards reaped
	reaped    bool                   // its number may be somebody else's
}

// startProcess runs the command and returns when it has started or could not.
// The child dies with this process: the kernel ties its life to the thread
// that forked it, so that thread is kept until the child is gone. What a child
// starts itself is ended here, but by no kernel when this process is killed.
func startProcess(command []string, socket string) (*process, error) {
	p := &process{
		exited: make(chan struct{}), over: make(chan struct{}), said: &tail{},
		http: unixTransport(socket), probe: unixTransport(socket),
	}
	p.probe.DisableKeepAlives = true
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
			waitLeader(p.pid)
			p.bury()
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
		MaxConnsPerHost:    maxConns,
		MaxIdleConns:       maxConns,
	}
}

// waitLeader waits until the child has ended and leaves it to be reaped: until
// then no other process or group gets its number.
func waitLeader(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// bury kills what an ended leader left behind, before the leader is reaped.
func (p *process) bury() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	p.reaped = true
}

// signal reaches the whole group, as long as its number is its own.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.pid, s)
	}
}

// stop asks the process and its group to end and kills them after a while.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopGrace):
	}
	p.kill()
}

// kill ends the process and its group, and waits.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// condemn kills the process for a reason, without waiting.
func (p *process) condemn(why string) {
	p.why.CompareAndSwap(nil, &why)
	p.signal(syscall.SIGKILL)
}

// ending says why the process ended; valid after exited.
func (p *process) ending() string {
	if why := p.why.Load(); why != nil {
		return *why
	}
	return fmt.Sprintf("the engine ended: %v", p.err)
}

// waitReady blocks until the engine has loaded its model, ended, or ctx ends.
func (p *process) waitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.health(ctx) == http.StatusOK {
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

// health is the status the engine gives when asked how it is, 0 when it is
// silent.
func (p *process) health(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/health", nil)
	if err != nil {
		return 0
	}
	resp, err := p.probe.RoundTrip(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
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
