package cores_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const late = 5_000_000 // ns

// TestSlack: the first thread that the runtime made may be woken late, and none of
// those that run goroutines.
func TestSlack(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			runtime.LockOSThread() // each has one of its own, which ends with it
			if ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || ns >= late {
				t.Errorf("a thread of goroutines has %d ns, %v", ns, err)
			}
		})
	}
	all.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, task := range tasks {
		ns, err := os.ReadFile("/proc/" + filepath.Base(task) + "/timerslack_ns")
		switch {
		case errors.Is(err, fs.ErrPermission): // seen by root only
			found = 1
		case strings.TrimSpace(string(ns)) == "5000000":
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d threads of %d may be late, want 1", found, len(tasks))
	}
}

// TestSlackOfLaterThreads: the monitor makes threads for goroutines while others are
// in long system calls, and those are not woken late.
func TestSlackOfLaterThreads(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	var begun, ended sync.WaitGroup
	for range 32 { // far more than there are processors: each that begins has got one from another
		begun.Add(1)
		ended.Go(func() {
			begun.Done()
			_, _ = unix.Read(pipe[0], make([]byte, 1)) // until the other end is closed
			if ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || ns >= late {
				t.Errorf("a thread of goroutines has %d ns, %v", ns, err)
			}
		})
	}
	begun.Wait()
	unix.Close(pipe[1])
	ended.Wait()
}
