package cores

// The monitor of the Go runtime looks round every 20 µs while anything runs, and is
// woken by the first system call after each rest: in an ask that is alone four
// switches of threads of eight, and a tenth of the time. It is the first thread that
// the runtime makes, and here the kernel may wake it up to 5 ms late, with other
// things that are due. The runtime itself has it sleep for as long as 10 ms once it
// found nothing to do for a while, so nothing relies on more. Other threads wake as
// ever: what they wait for with a time limit may have an ask behind it. See
// PR_SET_TIMERSLACK in prctl(2).

/*
#cgo CFLAGS: -DSLACK_NS=5000000
#cgo LDFLAGS: -Wl,--wrap=pthread_create
*/
import "C"
