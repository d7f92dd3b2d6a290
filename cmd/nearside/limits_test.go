package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

// shell has each life of the daemon begin with a shell command, in which a
// program then takes the place of the shell.
func (h *house) shell(command, program string) {
	h.under = func(cmd *exec.Cmd) {
		cmd.Path = "/bin/sh"
		cmd.Args = append([]string{"sh", "-c", command + ` && exec "$0" "$@"`, program}, cmd.Args[1:]...)
	}
}

// TestFewDescriptors gives a daemon 64 descriptors and three times as many
// callers, idle and asking: all are answered, near and far, and nobody is blamed.
// Who is too slow to speak, as on a busy machine all are, makes way and comes again.
func TestFewDescriptors(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := unstarted(t, clouds(cloud))
	self, err := os.Executable()
	must(t, "find this program", err)
	program := filepath.Join(h.dir, "nearside")
	must(t, "give it the name", os.Symlink(self, program))
	h.shell("ulimit -n 64", program)
	h.start()
	for range 100 {
		h.idles(t)
	}
	h.http.Transport.(*http.Transport).DisableKeepAlives = true // an idle one may be closed for another
	inParallel(100, 0, 300, func(i int) {
		resp, err := h.send(t.Context(), inCloud(fmt.Sprint("question ", i)))
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
			resp, err = h.send(t.Context(), inCloud(fmt.Sprint("question ", i)))
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("x-nearside-target"); got != "cloud/first" {
			t.Errorf("got %s of %q, want cloud/first", resp.Status, got)
		}
	})
	h.answers(t)
	if s := h.status(); s.Connectivity.State == "offline" || *h.target("cloud/first").Breaker != "closed" {
		t.Errorf("got %s, breaker %s, want no blame", s.Connectivity.State, *h.target("cloud/first").Breaker)
	}
}

// idles is one more caller that asks once and stays connected.
func (h *house) idles(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 512)); err != nil || n == 0 {
		t.Fatalf("an idle caller got %d bytes, %v", n, err)
	}
}

// little is the memory of a small device, and of its control group.
const little = 64 << 20

// TestLittleMemory floods a daemon that may have 64 MiB with large questions.
// It knows of the bound and stays below. Where no control group can be made,
// its peak is the proof.
func TestLittleMemory(t *testing.T) {
	group, enter := memoryGroup(t, little), "true"
	if group != "" {
		enter = "echo $$ > " + filepath.Join(group, "cgroup.procs")
	}
	cloud := newCloud(t, fake.Options{})
	h := unstarted(t, clouds(cloud))
	h.shell(enter, plainBinary(t))
	h.start()
	large := strings.Repeat("x", 500_000)
	var given atomic.Int64
	inParallel(8, 0, 20, func(i int) {
		r := h.ask(inCloud(fmt.Sprint(i, large)))
		if r.target() == "cloud/first" {
			given.Add(1)
		} else if r.status != 429 || r.kind != "rate_limit_error" {
			t.Errorf("got %.200v, want an answer, or to be told to come again", r)
		}
	})
	if given.Load() < 8 {
		t.Errorf("%d of 20 large questions were answered", given.Load())
	}
	if r := h.ask(ask{text: "What is the capital of France?"}); r.status != 200 { // no engine fits in here
		t.Errorf("got %v", r)
	}
	if group != "" {
		tells(t, h.log.String(), "memory is bound by the control group", fmt.Sprint(little), fmt.Sprint(little*3/4))
	}
	if peak := h.peak(t); peak > little {
		t.Errorf("%d MiB at the peak, want at most 64", peak>>20)
	} else {
		t.Logf("%d MiB at the peak", peak>>20)
	}
}

// plainBinary is nearside as it is delivered: the race detector's memory would
// be no measure.
func plainBinary(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "nearside")
	out, err := exec.Command("go", "build", "-trimpath", "-tags", "sqlite_omit_load_extension,osusergo,netgo", "-o", program, ".").CombinedOutput()
	must(t, fmt.Sprintf("build: %s", out), err)
	return program
}

// peak is the most memory the daemon ever had, in bytes.
func (h *house) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	must(t, "read the daemon's figures", err)
	kb := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if kb == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	n, err := strconv.Atoi(string(kb[1]))
	must(t, "read the peak", err)
	return n << 10
}

// memoryGroup makes a control group with a bound on memory, of v1 or v2, and
// returns its folder; "" where the machine lets nobody make one.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	must(t, "read the control groups", err)
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		base, bound := filepath.Join("/sys/fs/cgroup/memory", parts[2]), "memory.limit_in_bytes"
		if parts[1] == "" {
			base, bound = filepath.Join("/sys/fs/cgroup", parts[2]), "memory.max"
			_ = os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte("+memory"), 0)
		} else if parts[1] != "memory" {
			continue
		}
		group := filepath.Join(base, fmt.Sprintf("nearside-test-%d", os.Getpid()))
		if err := os.Mkdir(group, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("remove the control group: %v", err)
			}
		})
		if os.WriteFile(filepath.Join(group, bound), []byte(strconv.Itoa(limit)), 0) == nil {
			return group
		}
	}
	return ""
}
