package sense

import "golang.org/x/sys/unix"

// ClockSynced tells whether the kernel says that its clock is held to another
// one, by NTP or the like. In containers and on devices that set their clock by
// other means it does not.
func ClockSynced() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state != unix.TIME_ERROR
}
