package helm

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// How a judgement takes turns with answers where there are few cores: it counts
// less, and gives its core away after a tenth of a millisecond. By itself a low
// priority would not: the kernel lets a thread end its slice, of up to 3 ms. Nor may
// it be much lower: a collection of garbage waits for this thread as for any other,
// and answers for the collection. Beside an engine on all cores that took 150 ms at
// 15, and takes as long as without it at 5.
const (
	lowly = 5
	turn  = 100_000 // nanoseconds; before Linux 6.12 it is not looked at
)

// humbly does f on a thread of its own, which lets the others go first, and which
// ends with it. A panic of f is the caller's.
func humbly(f func()) {
	var why any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { why = recover() }()
		// For good: what is set here cannot be taken back. Where it cannot be set
		// the judgement takes its turns like all else.
		runtime.LockOSThread()
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: lowly, Runtime: turn}
		if own, err := unix.SchedGetAttr(0, 0); err == nil {
			attr.Nice = max(lowly, own.Nice) // never before a daemon that was started humbler
		}
		_ = unix.SchedSetAttr(0, &attr, 0)
		f()
	}()
	if <-done; why != nil {
		panic(why)
	}
}
