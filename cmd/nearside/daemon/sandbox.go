package daemon

import (
	"time"

	"nearside/local"
	"nearside/local/sandbox"
	"nearside/local/sense"
)

// freeMemory is what the device has left, in bytes, as far as it is known.
func (d *daemon) freeMemory() (bytes uint64, known bool) {
	now, _ := d.senses.latest.At(time.Now())
	mb, known := now[sense.Memory].Value.(float64)
	return uint64(max(0, mb)) << 20, known
}

// unprotected is what it means, and what can be done, when an engine runs
// without a protection.
var unprotected = map[string]struct{ severity, what, hint string }{
	sandbox.Network: {"warn", "could reach the network", "run the daemon where it may make network namespaces: as root, or with user namespaces allowed (user.max_user_namespaces, and on Debian and Ubuntu kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"},
	sandbox.Files:   {"warn", "can read all that the daemon can", "use a kernel with Landlock, named in lsm= at boot (Linux 5.13 or newer), and a container that does not forbid it"},
	sandbox.Powers:  {"warn", "keeps powers of root", "run the daemon as a user of its own"},
	sandbox.Memory:  {"info", "may outlive others when memory runs out", "let the daemon write /proc/self/oom_score_adj"},
}

// addSandbox says what an engine runs unprotected from.
func (c *conditions) addSandbox(t local.Status) {
	for _, g := range t.Gaps {
		u := unprotected[g.What]
		c.add("sandbox", u.severity, t.Name+" "+u.what+": "+g.Why, u.hint)
	}
}
