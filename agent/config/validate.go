package config

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	"nearside/policy"
)

const (
	maxSocketPath = 107 // bytes of a socket's name that the kernel takes
	leastCache    = 1 << 20
	leastEngine   = 64 << 20
	maxDrain      = 10 * time.Minute
)

// Validate lists every value that cannot work; nil means the config can be used.
// No message repeats a value in which a secret may stand.
func (c *Config) Validate() []policy.Problem {
	v := &validator{}
	v.listen(&c.Listen)
	v.check(c.State == "" || filepath.IsAbs(c.State), "state", "must be a path")
	v.local(&c.Local)
	v.gate(&c.Local)
	v.cloud(c.Cloud.Targets)
	v.apis(c)
	v.callers(c)
	v.cache(c.Cache)
	if name, ok := strings.CutPrefix(c.Policy, written.ProfilePrefix); ok {
		v.check(slices.Contains(policies.Names(), name), "policy", "there is no profile %.40q; there are %s", name, strings.Join(policies.Names(), ", "))
	}
	v.learn(c.Learn)
	v.check(c.Drain >= 0 && c.Drain <= maxDrain, "drain", "must be from 0s to 10m")
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	v.remote(c.Remote)
	return v.problems
}

// Warning is something that works but may not be what was meant, and what to do.
type Warning struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// Warnings lists what an operator should look at, though it does not keep the
// daemon from starting.
func (c *Config) Warnings() []Warning {
	var list []Warning
	if c.InstalledFault != "" {
		list = append(list, Warning{"what is installed is not used: " + c.InstalledFault, "run make setup again, or remove it"})
	}
	list = append(list, c.unoffered()...)
	list = append(list, c.steering()...)
	list = append(list, c.unasked()...)
	for i, t := range c.Cloud.Targets {
		u, err := url.Parse(t.BaseURL)
		if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			list = append(list, Warning{fmt.Sprintf("cloud.targets[%d].base_url: http to another host: the key and all questions travel in the clear", i), "use https"})
		}
	}
	if c.Listen.HTTP != "" && len(c.Listen.Hosts) == 0 {
		list = append(list, Warning{"listen.hosts is empty: whatever comes over TCP is refused", "name localhost, or set listen.http to \"\""})
	}
	if off := c.forTCP(); off != nil {
		list = append(list, Warning{strings.Join(off, ", ") + ": for TCP, and that is off", "set listen.http, or remove what is for it"})
	}
	return list
}

// steering warns of what is set for remote policy and does nothing, or is heard
// by others.
func (c *Config) steering() []Warning {
	if c.Remote == nil {
		return nil
	}
	var list []Warning
	if !c.Remote.On() {
		list = append(list, Warning{"remote: there is no root, so remote policy is off", "set remote.root, or remove remote"})
	}
	for _, at := range c.Remote.Plain() {
		list = append(list, Warning{at + ": without TLS to another host: others can read and hold back what travels", "use tls://, wss:// or https://"})
	}
	if c.Remote.On() && c.State == "" {
		list = append(list, Warning{"remote: there is no state folder, so a policy from outside ends with a run and an old one may come again", "set state"})
	}
	return list
}

type validator struct{ problems []policy.Problem }

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, policy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) oneOf(path, value string, allowed ...string) {
	v.check(slices.Contains(allowed, value), path, "%q must be one of %s", value, strings.Join(allowed, ", "))
}

func plainHost(h string) bool {
	if inner, ok := strings.CutPrefix(h, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(inner, "]")
	}
	return h != "" && !strings.ContainsAny(h, ":/@[] \t\r\n")
}

func (v *validator) local(l *Local) {
	e := l.Engine
	v.check(e.Command == nil || e.URL == "", "local.engine", "must have only one of command and url")
	v.check(e.Command == nil || len(e.Command) > 0 && e.Command[0] != "", "local.engine.command", "must begin with a program")
	v.check(e.Idle >= 0, "local.engine.idle", "must be 0s or more")
	v.oneOf("local.engine.start", e.Start, "ask", "boot")
	v.check(e.Threads >= 0 && e.Threads <= 1024, "local.engine.threads", "must be from 0 to 1024")
	v.check(e.Memory == 0 || e.Memory >= leastEngine, "local.engine.memory", "must be 0 or at least 64MiB")
	if e.URL != "" {
		v.url("local.engine.url", e.URL, "http", "https")
		u, err := url.Parse(e.URL)
		v.check(err != nil || u.Host == "" || loopback(u.Hostname()), "local.engine.url", "must lead to this device; another host is a cloud target")
		v.check(l.Disabled || len(l.Models) > 0, "local.models", "is missing; name the models that the server at local.engine.url has")
	}
	names := map[string]bool{}
	for i := range l.Models {
		path := fmt.Sprintf("local.models[%d]", i)
		v.name(path, l.Models[i].Name, names)
		v.model(path, &l.Models[i])
		v.check(l.Models[i].File != "" || e.URL != "", path+".file", "is missing, and no model of this name is installed")
	}
}

func (v *validator) model(path string, m *Model) {
	v.check(m.SHA256 == "" || isHex(m.SHA256, 64), path+".sha256", "must be 64 hex digits")
	v.check(len(m.Services) > 0, path+".services", "is empty")
	v.services(path+".services", m.Services)
	v.check(m.Context >= 0 && m.Context <= 1<<24, path+".context", "must be from 0 to %d", 1<<24)
	for _, name := range slices.Sorted(maps.Keys(m.Sampling)) {
		x := m.Sampling[name]
		v.check(plainName(name), path+".sampling", "%q "+nameRule, name)
		v.check(!math.IsNaN(x) && !math.IsInf(x, 0), path+".sampling."+name, "must be a number")
	}
}

func (v *validator) learn(l Learn) {
	v.check(l.AuditPct >= 0 && l.AuditPct <= 10, "learn.audit_pct", "must be from 0 to 10")
	v.check(l.AuditCalls >= 0 && l.AuditCalls <= 10_000, "learn.audit_calls", "must be from 0 to 10000")
	v.check(l.AuditUSD >= 0 && l.AuditUSD <= 100, "learn.audit_usd", "must be from 0 to 100")
}

func (v *validator) cache(c Cache) {
	v.check(c.Fresh >= 0, "cache.fresh", "must be 0s or more")
	v.check(c.Stale >= c.Fresh, "cache.stale", "must be at least cache.fresh")
	v.check(c.MaxBytes >= leastCache, "cache.max_bytes", "must be at least 1MiB")
}
