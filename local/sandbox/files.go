package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	kernel "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// system is what programs read and run to begin at all: libraries, and what
// the kernel tells of processors, memory and graphics.
var system = [...]string{
	"/usr", "/bin", "/lib", "/lib32", "/lib64", "/opt/rocm", "/opt/intel",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/OpenCL", "/etc/vulkan",
	"/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version", "/proc/sys", "/proc/driver",
	"/sys/devices", "/sys/class", "/sys/bus", "/sys/dev", "/sys/module",
	"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
}

// devices are those that compute, in the forms their drivers name them.
var devices = [...]string{"/dev/null", "/dev/dri", "/dev/kfd", "/dev/nvidia*", "/dev/dxg", "/dev/mali*", "/dev/accel", "/dev/adsprpc*"}

// confine leaves this thread no files but those of the order and the system's,
// no sockets but those it makes, and no process outside to signal.
func (o *order) confine() error {
	if _, err := kernel.LandlockGetABIVersion(); err != nil {
		return fmt.Errorf("the kernel has no Landlock, or it is not enabled: %w", err)
	}
	var rules []landlock.Rule
	for _, path := range append(system[:], o.Reads...) {
		rules = append(rules, readable(path)...)
	}
	for _, path := range o.Writes {
		rules = append(rules, landlock.RWDirs(path))
	}
	for _, pattern := range devices {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			rules = append(rules, device(path))
		}
	}
	if err := landlock.V10.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("restrict files: %w", err)
	}
	return nil
}

// readable is the rule for what is there; what is not needs none.
func readable(path string) []landlock.Rule {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return []landlock.Rule{landlock.RODirs(path)}
	}
	return []landlock.Rule{landlock.ROFiles(path)}
}

func device(path string) landlock.Rule {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return landlock.RWDirs(path).WithIoctlDev()
	}
	return landlock.RWFiles(path).WithIoctlDev()
}
