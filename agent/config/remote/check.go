package remote

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/agent/config/secret"
)

// Bounds of what can be set.
const (
	maxBrokers   = 16
	maxLabels    = 32
	maxUser      = 256
	minKeepAlive = 10 * time.Second
	maxKeepAlive = time.Hour
	minEvery     = 10 * time.Second
	maxEvery     = 7 * 24 * time.Hour
)

// Fault is one value that cannot work: its path in the config, and what would be
// right. It repeats nothing in which a secret may stand.
type Fault struct{ Path, Message string }

// Faults lists the values of the section that cannot work; places of secrets
// are for the config to check.
func (r *Remote) Faults() []Fault {
	if r == nil {
		return nil
	}
	c := &checker{}
	c.names(r)
	if r.MQTT != nil {
		c.mqtt(r.MQTT)
	}
	if r.Pull != nil {
		c.pull(r.Pull)
	}
	if r.Limits != nil {
		c.limits(r.Limits)
	}
	return c.faults
}

type checker struct{ faults []Fault }

func (c *checker) check(ok bool, path, format string, args ...any) {
	if !ok {
		c.faults = append(c.faults, Fault{"remote." + path, fmt.Sprintf(format, args...)})
	}
}

const nameRule = "must be 1 to 64 letters, digits, dots, underscores and dashes"

// Plainly tells whether the name can stand in a topic and in an audience.
func Plainly(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

func (c *checker) names(r *Remote) {
	for _, n := range []struct{ path, value string }{{"tenant", r.Tenant}, {"channel", r.Channel}, {"device", r.Device}, {"ring", r.Ring}} {
		needed := r.On() && n.path != "ring"
		switch {
		case n.value == "" && needed && n.path == "device":
			c.check(false, n.path, "is missing, and this machine has no id and no name to make one of")
		case n.value == "" && needed:
			c.check(false, n.path, "is missing; remote.root needs it")
		case n.value != "":
			c.check(Plainly(n.value), n.path, "%.80q "+nameRule, n.value)
		}
	}
	c.check(len(r.Labels) <= maxLabels, "labels", "are %d; there can be %d", len(r.Labels), maxLabels)
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		c.check(Plainly(k), "labels", "the name %.80q "+nameRule, k)
		c.check(Plainly(r.Labels[k]), "labels."+k, "%.80q "+nameRule, r.Labels[k])
	}
}

func (c *checker) mqtt(m *MQTT) {
	c.check(len(m.Brokers) > 0, "mqtt.brokers", "is missing or empty; such as [\"tls://broker.example:8883\"]")
	c.check(len(m.Brokers) <= maxBrokers, "mqtt.brokers", "are %d; there can be %d", len(m.Brokers), maxBrokers)
	for i, b := range m.Brokers {
		at := fmt.Sprintf("mqtt.brokers[%d]", i)
		c.url(at, b, "tls", "ssl", "mqtts", "wss", "ws", "tcp", "mqtt")
		u, err := url.Parse(b)
		bare := err != nil || u.Path == "" || u.Path == "/" || strings.HasPrefix(u.Scheme, "ws")
		c.check(bare, at, "must end with host and port; only ws:// and wss:// have a path")
		c.check(!slices.Contains(m.Brokers[:i], b), at, "is there twice")
		c.check(m.Password.IsZero() || err != nil || !plainly(u), at, "a password would be readable on the way; use tls:// or wss://")
	}
	c.check((m.Cert == "") == (m.Key == ""), "mqtt", "needs cert and key together")
	c.check(m.Password.IsZero() || m.User != "", "mqtt.password", "needs user")
	c.check(printable(m.User, maxUser), "mqtt.user", "must be at most %d characters, none of them a control character", maxUser)
	c.check(m.ClientID == "" || Plainly(m.ClientID), "mqtt.client_id", "%.80q "+nameRule, m.ClientID)
	c.check(m.KeepAlive == 0 || m.KeepAlive >= minKeepAlive && m.KeepAlive <= maxKeepAlive, "mqtt.keep_alive", "must be from 10s to 1h, or absent for five minutes")
	if m.Proxy != "" && m.Proxy != "none" {
		c.url("mqtt.proxy", m.Proxy, "http")
	}
}

func (c *checker) pull(p *Pull) {
	c.url("pull.url", p.URL, "https", "http")
	u, err := url.Parse(p.URL)
	c.check(err != nil || u.Scheme != "http" || near(u.Hostname()), "pull.url", "must begin with https://; http only leads to this device or to an address of a private network")
	if p.Proxy != "" && p.Proxy != "none" {
		c.url("pull.proxy", p.Proxy, "http", "https", "socks5")
	}
	c.check(p.Every == 0 || p.Every >= minEvery && p.Every <= maxEvery, "pull.every", "must be from 10s to 168h, or absent for %v", DefaultEvery)
}

func printable(s string, most int) bool {
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// url checks an absolute URL. What is wrong with it may be a password in it.
func (c *checker) url(path, value string, schemes ...string) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		c.check(false, path, "is missing")
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme):
		c.check(false, path, "must be a URL that begins with %s://", strings.Join(schemes, ":// or "))
	default:
		c.check(u.User == nil, path, "must hold no user and no password")
		c.check(!strings.ContainsAny(value, "?#"), path, "must end with its path, without ? and #")
		c.port(path, u)
	}
}

func (c *checker) port(path string, u *url.URL) {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	c.check(u.Port() == "" || err == nil && n > 0, path, "must have a port from 1 to 65535")
}

// Keys are the places of secrets in the section.
func (r *Remote) Keys() []*secret.Key {
	if r == nil || r.MQTT == nil {
		return nil
	}
	return []*secret.Key{&r.MQTT.Password}
}

// Clone shares nothing with r that differs when secrets are hidden.
func (r *Remote) Clone() *Remote {
	if r == nil || r.MQTT == nil {
		return r
	}
	copied, mqtt := *r, *r.MQTT
	copied.MQTT = &mqtt
	return &copied
}
