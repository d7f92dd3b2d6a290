package config

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what can be set for callers.
const (
	maxAsks = 1 << 16
	maxRate = 1_000_000
	maxUID  = math.MaxUint32 - 1
)

func (v *validator) listen(l *Listen) {
	v.check(filepath.IsAbs(l.Socket), "listen.socket", "must be a path")
	v.check(len(l.Socket) <= maxSocketPath, "listen.socket", "is %d bytes long; a socket's path can have %d", len(l.Socket), maxSocketPath)
	v.http(l)
	if t := l.TLS; t != nil {
		v.check(t.Cert != "" && t.Key != "", "listen.tls", "needs cert and key")
	}
	v.key("listen.token", l.Token)
	v.check(l.Asks >= 1 && l.Asks <= maxAsks, "listen.asks", "must be from 1 to %d", maxAsks)
	for i, h := range l.Hosts {
		v.check(plainHost(h), fmt.Sprintf("listen.hosts[%d]", i), "%q must be a host without a port, such as localhost, 127.0.0.1 or [::1]", h)
	}
	for i, o := range l.Origins {
		u, err := url.Parse(o)
		ok := err == nil && u.Host != "" && o == u.Scheme+"://"+u.Host
		v.check(ok, fmt.Sprintf("listen.origins[%d]", i), "must be SCHEME://HOST or SCHEME://HOST:PORT")
	}
}

func (v *validator) http(l *Listen) {
	if l.HTTP == "" {
		return
	}
	host, port, err := net.SplitHostPort(l.HTTP)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil {
		v.check(false, "listen.http", "%q must be HOST:PORT, such as 127.0.0.1:6327, or \"\" for none", l.HTTP)
		return
	}
	safe := l.TLS != nil && !l.Token.IsZero()
	v.check(loopback(host) || safe, "listen.http", "%q on port %d is not a loopback address; that needs listen.tls and listen.token", host, n)
	v.check(loopback(host) || !safe || slices.ContainsFunc(l.Hosts, elsewhere), "listen.hosts", "names only this device; add the name by which others reach it")
}

func elsewhere(host string) bool { return !loopback(strings.Trim(host, "[]")) }

// StrangersMay tells whether those not listed may ask.
func (c *Config) StrangersMay() bool {
	return c.Strangers == "allow" || c.Strangers == "" && len(c.Callers) == 0
}

// loopback tells whether the host is this device, whatever its names resolve to.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// forTCP lists what is set for TCP while that is off.
func (c *Config) forTCP() []string {
	var set []string
	if c.Listen.HTTP != "" {
		return nil
	}
	if c.Listen.TLS != nil {
		set = append(set, "listen.tls")
	}
	for i, k := range append([]Caller{{Token: c.Listen.Token}}, c.Callers...) {
		switch {
		case k.Token.IsZero():
		case i == 0:
			set = append(set, "listen.token")
		default:
			set = append(set, fmt.Sprintf("callers[%d].token", i-1))
		}
	}
	return set
}

// callers checks who may ask, and that somebody may.
func (v *validator) callers(c *Config) {
	names, users := map[string]bool{}, map[int]bool{}
	for i := range c.Callers {
		path := fmt.Sprintf("callers[%d]", i)
		v.name(path, c.Callers[i].Name, names)
		v.caller(path, &c.Callers[i])
		if uid := c.Callers[i].UID; uid != nil {
			v.check(!users[*uid], path+".uid", "%d is there twice", *uid)
			users[*uid] = true
		}
	}
	v.oneOf("strangers", cmp.Or(c.Strangers, "allow"), "allow", "refuse")
	nobody := c.Strangers == "refuse" && len(c.Callers) == 0 && c.Listen.Token.IsZero()
	v.check(!nobody, "strangers", "refuse leaves nobody who may ask; list callers, or set listen.token")
}

func (v *validator) caller(path string, c *Caller) {
	v.check((c.UID == nil) != c.Token.IsZero(), path, "must have one of uid and token")
	v.check(c.UID == nil || *c.UID >= 0 && *c.UID <= maxUID, path+".uid", "must be from 0 to %d", maxUID)
	v.key(path+".token", c.Token)
	v.check(!slices.Contains([]string{"other", "token"}, strings.ToLower(c.Name)), path+".name", "%q stands for callers that have no name; choose another", c.Name)
	v.check(!strings.Contains(c.Name, ":"), path+".name", "must have no colon: uid:N and tcp:ADDRESS are those not listed")
	v.check(c.Services == nil || len(c.Services) > 0, path+".services", "is empty; name services, or remove it for all")
	v.services(path+".services", c.Services)
	if r := c.Rate; r != nil {
		v.check(r.PerMinute >= 1 && r.PerMinute <= maxRate, path+".rate.per_minute", "must be from 1 to %d", maxRate)
		v.check(r.Burst >= 0 && r.Burst <= maxRate, path+".rate.burst", "must be from 1 to %d, or absent for per_minute", maxRate)
	}
	v.check(c.Share == nil || *c.Share > 0 && *c.Share <= 1, path+".share", "must be over 0 and at most 1, such as 0.25")
}
