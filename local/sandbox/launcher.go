package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// launcher is the name under which a program of ours is the launcher.
const launcher = "nearside-sandbox"

// reportFD is where the launcher reports; it closes at exec.
const reportFD = 3

// foremost is how much sooner than others the program is killed when memory
// runs out, of 1000.
const foremost = "800"

// order is what the launcher is told; the command follows it.
type order struct {
	Path   string // of the program
	Reads  []string
	Writes []string
	Memory uint64
	Open   bool
	Parent int
}

// result is what the launcher tells: what it could not do, then why it could
// not become the program, or nothing.
type result struct {
	Gaps  []Gap
	Errno syscall.Errno
}

// Enter does nothing, except in a process that [Start] made: there it does not
// return.
func Enter() {
	if len(os.Args) < 3 || os.Args[0] != launcher {
		return
	}
	runtime.LockOSThread() // most of what follows is the thread's own
	var o order
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil || !follow(o.Parent) {
		os.Exit(1)
	}
	syscall.CloseOnExec(reportFD)
	report := json.NewEncoder(os.NewFile(reportFD, "report"))
	if report.Encode(result{Gaps: o.enclose()}) != nil {
		os.Exit(1)
	}
	o.bound() // last, since it holds for the launcher, too
	err, _ := syscall.Exec(o.Path, os.Args[2:], os.Environ()).(syscall.Errno)
	_ = report.Encode(result{Errno: err})
	os.Exit(1)
}

// follow ties this thread, the one that will be the program, to the life of
// its parent; false when that has ended.
func follow(parent int) bool {
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
	return err == nil && os.Getppid() == parent
}

// enclose takes from this thread what the program is not to have.
func (o *order) enclose() (gaps []Gap) {
	if o.Open {
		_ = volunteer()
		return nil
	}
	miss := func(what string, err error) {
		if err != nil {
			gaps = append(gaps, Gap{what, err.Error()})
		}
	}
	miss(Memory, volunteer())
	miss(Powers, renounce())
	miss(Files, o.confine())
	return gaps
}

// volunteer has the kernel end the program before others.
func volunteer() error {
	err := os.WriteFile("/proc/self/oom_score_adj", []byte(foremost), 0)
	if err != nil {
		return fmt.Errorf("it is not the first to go when the machine's memory runs out: %w", err)
	}
	return nil
}

// renounce gives up what root may do beyond any user, but for reading and
// writing the files it is given, and what set-user-id programs would give.
func renounce() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if os.Geteuid() != 0 {
		return nil
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if c == unix.CAP_DAC_OVERRIDE || c == unix.CAP_DAC_READ_SEARCH {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("give up capabilities: %w", err)
		}
	}
	return nil
}

// bound limits the memory of the program itself; files it maps do not count.
// A limit that is in force and lower stays.
func (o *order) bound() {
	var now unix.Rlimit
	if o.Open || o.Memory == 0 || unix.Getrlimit(unix.RLIMIT_DATA, &now) != nil {
		return
	}
	limit := min(o.Memory, now.Max)
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit})
}
