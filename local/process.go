package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nearside/agent/openai/h1"
	"nearside/local/sandbox"
)

// How the process of an engine is spoken to.
const (
	stopGrace   = 3 * time.Second
	maxConns    = 4               // a llama-server lets five connections wait, and more fail
	healthLimit = 3 * time.Second // a busy machine makes late who is well
)

// process is one life of an engine: a leader, and what it started in its group.
type process struct {
	pid    int
	http   *h1.Transport   // for asks
	probe  *http.Transport // for signs of life, which wait behind no ask
	exited chan struct{}   // closed when it is gone and waited for
	over   chan struct{}   // closed when its owner knows, too
	err    error           // how it ended; valid after exited
	said   *sandbox.Tail
	gaps   []sandbox.Gap // what it is not protected from
	bound  uint64        // bytes of memory it may have

	why       atomic.Pointer[string] // why it was killed; nil while it was not
	suspected atomic.Bool            // it is being asked for a sign of life
	mu        sync.Mutex             // guards reaped
	reaped    bool                   // its number may be somebody else's
}

// startProcess runs the command and returns when it has started or could not.
// The child dies with this process: the kernel ties its life to the thread
// that forked it, so that thread is kept until the child is gone. What a child
// starts itself is ended here, but by no kernel when this process is killed.
func startProcess(spec sandbox.Spec, socket string) (*process, error) {
	p := &process{
		exited: make(chan struct{}), over: make(chan struct{}), said: &sandbox.Tail{}, bound: spec.Memory,
		http: h1.New(unixTransport(socket)), probe: unixTransport(socket),
	}
	p.probe.DisableKeepAlives = true
	spec.Env, spec.Output = sandbox.Env(), p.said
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd, gaps, err := sandbox.Start(spec)
		if err == nil {
			p.pid, p.gaps = cmd.Process.Pid, gaps
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
		return nil, fmt.Errorf("start %s: %w", spec.Command[0], err)
	}
	return p, nil
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
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return "the engine was killed from outside, as the kernel does when memory is short"
	}
	return "the engine ended: " + p.exit()
}

// exit says how the process ended; valid after exited.
func (p *process) exit() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
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
			return fmt.Errorf("the engine ended while loading: %s; it said: %s%s", p.exit(), p.said, p.hint())
		case <-ctx.Done():
			return errors.New("the engine did not become ready in time")
		case <-tick.C:
		}
	}
}

// allocation is what programs say that get no memory, or none for a thread.
var allocation = regexp.MustCompile(`(?i)alloc|memory|resource temporarily unavailable`)

// hint names the bound when it may be why loading failed.
func (p *process) hint() string {
	if p.bound == 0 || !allocation.MatchString(p.said.All()) {
		return ""
	}
	return fmt.Sprintf("; it may have %d MiB of memory: see local.engine.memory", p.bound>>20)
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
