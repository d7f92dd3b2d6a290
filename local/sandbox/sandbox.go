package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Spec says what is started and what it is given.
type Spec struct {
	Command []string // a program and its arguments
	Env     []string
	Output  io.Writer // for both of its outputs
	Reads   []string  // files and folders it may read and run, beside the system's own
	Writes  []string  // folders it may write
	Memory  uint64    // bytes it may have, files it maps apart; 0 is no bound
	Open    bool      // not closed in; it still ends with its parent, and before others when memory runs out
}

// What a program is protected from, or others from it.
const (
	Network = "network"
	Files   = "files"
	Memory  = "memory"
	Powers  = "powers"
)

// Gap is a protection that the program runs without.
type Gap struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// launchLimit is how long a launcher may take, on a machine that is busy.
const launchLimit = 30 * time.Second

// Start starts the program in a process group of its own and returns once it
// runs. It ends when the calling thread does: lock the goroutine to it and keep
// it. Whoever calls Start must call [Enter] first thing in main.
func Start(s Spec) (*exec.Cmd, []Gap, error) {
	path, err := exec.LookPath(s.Command[0])
	if err != nil {
		return nil, nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	o := order{Path: path, Reads: s.Reads, Writes: s.Writes, Memory: s.Memory, Open: s.Open, Parent: os.Getpid()}
	if s.Open {
		return s.launch(&o, syscall.SysProcAttr{})
	}
	var refused error
	for _, way := range alone() {
		cmd, gaps, err := s.launch(&o, way)
		if err == nil {
			return cmd, gaps, nil
		}
		if errors.Is(err, errLauncher) {
			return nil, nil, err
		}
		refused = err
	}
	cmd, gaps, err := s.launch(&o, syscall.SysProcAttr{})
	return cmd, append(gaps, Gap{Network, fmt.Sprintf("no network namespace: %v", refused)}), err
}

// alone are the ways to a network namespace, the plain one first: it takes
// root, the other takes a kernel that lets everybody have user namespaces.
func alone() []syscall.SysProcAttr {
	same := func(id int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	return []syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWNET},
		{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: same(os.Geteuid()), GidMappings: same(os.Getegid()),
		},
	}
}

// errLauncher is a launcher that began and did not become the program.
var errLauncher = errors.New("the program could not be started")

// launch runs the launcher and reads its report, which ends when it has become
// the program.
func (s *Spec) launch(o *order, attr syscall.SysProcAttr) (*exec.Cmd, []Gap, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	report, end, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer report.Close()
	attr.Setpgid, attr.Pdeathsig = true, syscall.SIGKILL
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{launcher, string(text)}, s.Command...),
		Env: s.Env, Stdout: s.Output, Stderr: s.Output, ExtraFiles: []*os.File{end},
		WaitDelay:   time.Second, // a grandchild may hold the pipe
		SysProcAttr: &attr,
	}
	err = cmd.Start()
	end.Close()
	if err != nil {
		return nil, nil, err
	}
	gaps, err := read(report)
	if err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		return nil, nil, err
	}
	return cmd, gaps, nil
}

// read is what a launcher said until it was the program, or why it is not.
func read(report *os.File) ([]Gap, error) {
	_ = report.SetReadDeadline(time.Now().Add(launchLimit))
	lines := json.NewDecoder(report)
	var begun, failed result
	if err := lines.Decode(&begun); err != nil {
		return nil, fmt.Errorf("%w: read the launcher's report: %w", errLauncher, err)
	}
	switch err := lines.Decode(&failed); {
	case err == io.EOF:
		return begun.Gaps, nil
	case err != nil:
		return nil, fmt.Errorf("%w: wait for the launcher: %w", errLauncher, err)
	}
	return nil, fmt.Errorf("%w: %w", errLauncher, failed.Errno)
}
