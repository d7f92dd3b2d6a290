package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nearside/local/sandbox"
)

// TestMain lets the test binary be the launcher, and the program that tells
// what it can do.
func TestMain(m *testing.M) {
	sandbox.Enter()
	if os.Getenv("SANDBOX_PROBE") != "" {
		probe()
		return
	}
	os.Exit(m.Run())
}

// sight is what a program can do.
type sight struct {
	NetNS      string
	Interfaces []string
	Dial       string // what became of it
	Read       map[string]bool
	Write      map[string]bool
	Caps       string
	NoNewPrivs string
	OOM        string
	Memory     uint64
	Signal     string
	Env        []string
	Group      bool
}

// probe looks at what the environment names and prints what came of it.
func probe() {
	s := sight{Read: map[string]bool{}, Write: map[string]bool{}, Group: syscall.Getpgrp() == os.Getpid()}
	s.NetNS, _ = os.Readlink("/proc/self/ns/net")
	all, _ := net.Interfaces()
	for _, i := range all {
		s.Interfaces = append(s.Interfaces, fmt.Sprint(i.Name, " up=", i.Flags&net.FlagUp != 0))
	}
	_, err := net.Dial("tcp", os.Getenv("SANDBOX_DIAL"))
	s.Dial = fmt.Sprint(err)
	for _, path := range filepath.SplitList(os.Getenv("SANDBOX_READ")) {
		_, err := os.ReadFile(path)
		s.Read[path] = err == nil
	}
	for _, path := range filepath.SplitList(os.Getenv("SANDBOX_WRITE")) {
		s.Write[path] = os.WriteFile(path, []byte("x"), 0o600) == nil
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "CapEff":
			s.Caps = value
		case "NoNewPrivs":
			s.NoNewPrivs = value
		}
	}
	oom, _ := os.ReadFile("/proc/self/oom_score_adj")
	s.OOM = strings.TrimSpace(string(oom))
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_DATA, &limit)
	s.Memory, s.Env = limit.Cur, os.Environ()
	s.Signal = fmt.Sprint(syscall.Kill(os.Getppid(), 0))
	_ = json.NewEncoder(os.Stdout).Encode(s)
}

// start runs the spec on a thread that lives as long as the test.
func start(t *testing.T, s sandbox.Spec) (*exec.Cmd, []sandbox.Gap, error) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	return sandbox.Start(s)
}

// room is a folder with a file to read, one beside it and a folder to write.
type room struct{ dir, given, other, inside, outside string }

func newRoom(t *testing.T) room {
	t.Helper()
	dir := t.TempDir()
	r := room{dir: dir, given: dir + "/given", other: dir + "/other", inside: dir + "/mine/x", outside: dir + "/y"}
	for _, path := range []string{r.given, r.other} {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/mine", 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

// look starts the probe in the room and returns what it saw.
func look(t *testing.T, r room, open bool) (sight, []sandbox.Gap) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd, gaps, err := start(t, sandbox.Spec{
		Command: []string{self}, Output: &said, Memory: 3 << 30, Open: open,
		Reads: []string{self, r.given, filepath.Join(r.dir, "absent")}, Writes: []string{filepath.Join(r.dir, "mine")},
		Env: []string{
			"SANDBOX_PROBE=1", "SANDBOX_DIAL=" + listener.Addr().String(), "GORACE=atexit_sleep_ms=20",
			"SANDBOX_READ=" + r.given + ":" + r.other, "SANDBOX_WRITE=" + r.inside + ":" + r.outside,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	var s sight
	if err := json.Unmarshal(said.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	return s, gaps
}

func has(gaps []sandbox.Gap, what string) bool {
	return slices.ContainsFunc(gaps, func(g sandbox.Gap) bool { return g.What == what && g.Why != "" })
}

// TestClosedIn holds every protection to what was said of it: in force, or
// among the gaps.
func TestClosedIn(t *testing.T) {
	r := newRoom(t)
	s, gaps := look(t, r, false)
	t.Logf("gaps: %v", gaps)
	check := func(what string, inForce bool) {
		t.Helper()
		if inForce == has(gaps, what) {
			t.Errorf("%s: in force %v, and the gaps are %v; seen: %+v", what, inForce, gaps, s)
		}
	}
	ours, _ := os.Readlink("/proc/self/ns/net")
	check(sandbox.Network, s.NetNS != ours && slices.Equal(s.Interfaces, []string{"lo up=false"}))
	check(sandbox.Files, !s.Read[r.other] && !s.Write[r.outside])
	check(sandbox.Memory, s.OOM == "800")
	check(sandbox.Powers, s.NoNewPrivs == "1" && slices.Contains([]string{"0000000000000000", "0000000000000006"}, s.Caps))
	if !s.Read[r.given] || !s.Write[r.inside] {
		t.Errorf("what it needs is closed: %+v", s)
	}
	if !has(gaps, sandbox.Network) && s.Dial == "<nil>" {
		t.Error("it reached a listener outside")
	}
	if s.Memory != 3<<30 || !s.Group {
		t.Errorf("got %+v, want a bound of 3 GiB and a group of its own", s)
	}
}

func TestOpen(t *testing.T) {
	r := newRoom(t)
	s, gaps := look(t, r, true)
	if len(gaps) > 0 || !s.Read[r.other] || !s.Write[r.outside] || s.Dial != "<nil>" || !s.Group {
		t.Errorf("got %+v, %v", s, gaps)
	}
}

func TestSaysWhatCannotBeStarted(t *testing.T) {
	script := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(script, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := func(command string, want error) {
		t.Helper()
		if cmd, _, err := start(t, sandbox.Spec{Command: []string{command}, Reads: []string{script}}); err == nil || cmd != nil || !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("%s: got %v, want %v", command, err, want)
		}
	}
	f(script, syscall.ENOEXEC)
	f(script+"-not", syscall.ENOENT)
	f("no-such-program-here", exec.ErrNotFound)
}

// TestMemoryEndsOnlyTheProgram has a program take more than its bound.
func TestMemoryEndsOnlyTheProgram(t *testing.T) {
	var said bytes.Buffer
	cmd, _, err := start(t, sandbox.Spec{
		Command: []string{"sh", "-c", `x=$(head -c 200000000 /dev/zero | tr '\0' x); echo "${#x}"`}, Output: &said, Memory: 64 << 20,
		Env: []string{"PATH=" + os.Getenv("PATH")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("it ended well: %s", &said)
	}
}

// TestEndsWithItsParent kills a parent and looks for the program.
func TestEndsWithItsParent(t *testing.T) {
	if os.Getenv("SANDBOX_PARENT") != "" {
		parent(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestEndsWithItsParent$", "-test.v")
	cmd.Env = append(os.Environ(), "SANDBOX_PARENT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	lines := make([]byte, 4096)
	for text := ""; pid == 0; {
		n, err := out.Read(lines)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text += string(lines[:n])
		if _, after, ok := strings.Cut(text, "program "); ok && strings.Contains(after, "\n") {
			fmt.Sscan(after, &pid)
		}
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(polled, 30_000); n != 1 {
		t.Errorf("the program %d outlived its parent: %v", pid, err)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func parent(t *testing.T) {
	cmd, _, err := start(t, sandbox.Spec{Command: []string{"sleep", "300"}, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("program", cmd.Process.Pid)
	_ = cmd.Wait()
}
