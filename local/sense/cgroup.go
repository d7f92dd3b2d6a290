package sense

import (
	"path"
	"slices"
	"strings"
)

// groups are the folders of this process's control groups for a controller,
// its own first, up to the outermost that can be seen. v2 tells of which kind
// they are.
func (s *Sampler) groups(controller string) (all []tree, v2 bool) {
	base, own, v2 := s.group(controller)
	for p := path.Clean("/" + own); ; p = path.Dir(p) {
		all = append(all, base.sub(p))
		if p == "/" {
			return all, v2
		}
	}
}

// group finds where a controller is mounted and which group there is ours. In a
// container the path may be that of the host, and not be there: the container's
// own group is then what is mounted.
func (s *Sampler) group(controller string) (base tree, own string, v2 bool) {
	mount := s.sys.sub("fs/cgroup")
	unified := "/"
	for line := range strings.Lines(s.proc.text("self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		if slices.Contains(strings.Split(parts[1], ","), controller) {
			if !mount.has(controller) { // no link from the controller's name to the hierarchy's
				controller = parts[1]
			}
			return mount.sub(controller), parts[2], false
		}
		if parts[1] == "" {
			unified = parts[2]
		}
	}
	return mount, unified, true
}

// MemoryLimit is the tightest bound that control groups put on the memory of
// this process and what it starts; ok is false when they put none.
func (s *Sampler) MemoryLimit() (bytes int64, ok bool) {
	const unlimited = 1 << 50 // what v1 says instead of "max" is above
	groups, v2 := s.groups("memory")
	for _, g := range groups {
		limit, known := g.memoryLimit(v2)
		if known && limit > 0 && limit < unlimited && (!ok || int64(limit) < bytes) {
			bytes, ok = int64(limit), true
		}
	}
	return bytes, ok
}

// room is how many bytes the control groups leave this process, and whether
// they limit it at all.
func (s *Sampler) room() (left float64, limited bool) {
	groups, v2 := s.groups("memory")
	for _, g := range groups {
		limit, ok := g.memoryLimit(v2)
		if !ok {
			continue
		}
		used, ok := g.memoryUsed(v2)
		if ok && (!limited || limit-used < left) {
			left, limited = max(0, limit-used), true
		}
	}
	return left, limited
}

func (t tree) memoryLimit(v2 bool) (float64, bool) {
	if !v2 {
		return t.number("memory.limit_in_bytes")
	}
	most, ok := t.number("memory.max")
	if high, too := t.number("memory.high"); too && (!ok || high < most) {
		return high, true
	}
	return most, ok // "max" is no number
}

// memoryUsed leaves out what the kernel can take back at once.
func (t tree) memoryUsed(v2 bool) (float64, bool) {
	usage, spare := "memory.current", "inactive_file"
	if !v2 {
		usage, spare = "memory.usage_in_bytes", "total_inactive_file"
	}
	used, ok := t.number(usage)
	if back, known := field(t.text("memory.stat"), spare); known {
		used -= min(back, used)
	}
	return used, ok
}

// quota is the tightest bound on processor time: in cores, and the seconds used
// so far of the group it is for.
func (s *Sampler) quota() (cores, used float64, ok bool) {
	groups, v2 := s.groups("cpu")
	accounts, _ := s.groups("cpuacct")
	for i, g := range groups {
		n, bound := g.cores(v2)
		if !bound || ok && n >= cores {
			continue
		}
		account := g
		if !v2 && i < len(accounts) {
			account = accounts[i]
		}
		if seconds, known := account.cpuUsed(v2); known {
			cores, used, ok = n, seconds, true
		}
	}
	return cores, used, ok
}

func (t tree) cores(v2 bool) (float64, bool) {
	quota, span := t.text("cpu.cfs_quota_us"), t.text("cpu.cfs_period_us")
	if v2 {
		quota, span, _ = strings.Cut(t.text("cpu.max"), " ")
	}
	q, ok := parse(quota)
	p, too := parse(span)
	return q / max(p, 1), ok && too && q > 0 // -1 and "max" are no bound
}

func (t tree) cpuUsed(v2 bool) (seconds float64, ok bool) {
	if v2 {
		us, ok := field(t.text("cpu.stat"), "usage_usec")
		return us / 1e6, ok
	}
	ns, ok := t.number("cpuacct.usage")
	return ns / 1e9, ok
}
