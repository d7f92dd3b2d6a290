// Package remote is the section of the config that says by whom this device may
// be steered from outside, and by which ways: the root of trust, the name of
// the device, brokers, a URL to pull from. It holds values to their bounds and
// reads no file but the one that tells devices apart.
package remote

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"nearside/agent/config/secret"
)

// Remote is where policies may come from; without Root from nowhere.
type Remote struct {
	Root    string            `json:"root,omitempty"` // file with the root document: whose signatures count
	Tenant  string            `json:"tenant,omitempty"`
	Channel string            `json:"channel,omitempty"`
	Device  string            `json:"device,omitempty"` // "" is [DefaultDevice]
	Ring    string            `json:"ring,omitempty"`   // "" is [DefaultRing]
	Labels  map[string]string `json:"labels,omitempty"`
	MQTT    *MQTT             `json:"mqtt,omitempty"` // nil: no broker
	Pull    *Pull             `json:"pull,omitempty"` // nil: nothing is fetched

	Limits *Limits `json:"limits,omitempty"` // nil: [DefaultLimits]
}

// MQTT names brokers, and how to know them and be known by them.
type MQTT struct {
	Brokers   []string      `json:"brokers"` // URLs, tried in this order
	CA        string        `json:"ca,omitempty"`
	Cert      string        `json:"cert,omitempty"`
	Key       string        `json:"key,omitempty"`
	User      string        `json:"user,omitempty"`
	Password  secret.Key    `json:"password,omitzero"`
	ClientID  string        `json:"client_id,omitempty"`  // "" is the device's name
	KeepAlive time.Duration `json:"keep_alive,omitempty"` // 0: five minutes, more on a battery that is low or where bytes cost
	Proxy     string        `json:"proxy,omitempty"`      // http://HOST:PORT, none; "" is what the environment says
}

// Pull is a place on the web where the same envelopes are fetched.
type Pull struct {
	URL   string        `json:"url"`
	Every time.Duration `json:"every,omitempty"` // 0 is [DefaultEvery]
	CA    string        `json:"ca,omitempty"`
	Proxy string        `json:"proxy,omitempty"` // URL, or none; "" is as the environment says
}

// DefaultRing is the ring of a device whose config names none.
const DefaultRing = "default"

// DefaultEvery is how often a device pulls whose config does not say.
const DefaultEvery = 15 * time.Minute

// On tells whether policies may come from outside.
func (r *Remote) On() bool { return r != nil && r.Root != "" }

// Files are all paths in the section.
func (r *Remote) Files() []*string {
	files := []*string{&r.Root}
	if m := r.MQTT; m != nil {
		files = append(files, &m.CA, &m.Cert, &m.Key)
	}
	if p := r.Pull; p != nil {
		files = append(files, &p.CA)
	}
	return files
}

// Complete fills what may be left open, where the section is on.
func (r *Remote) Complete() {
	if !r.On() {
		return
	}
	if r.Ring == "" {
		r.Ring = DefaultRing
	}
	if r.Device == "" {
		r.Device = DefaultDevice()
	}
	if p := r.Pull; p != nil && p.Every == 0 {
		p.Every = DefaultEvery
	}
}

// Plain lists the paths in the config of URLs that lead to another host without
// TLS.
func (r *Remote) Plain() []string {
	var plain []string
	look := func(at, text string) {
		u, err := url.Parse(text)
		if err == nil && plainly(u) {
			plain = append(plain, at)
		}
	}
	if r.MQTT != nil {
		for i, b := range r.MQTT.Brokers {
			look(fmt.Sprintf("remote.mqtt.brokers[%d]", i), b)
		}
	}
	if r.Pull != nil {
		look("remote.pull.url", r.Pull.URL)
	}
	return plain
}

// plainly tells whether the URL leads to another host without TLS.
func plainly(u *url.URL) bool {
	return slices.Contains([]string{"tcp", "mqtt", "ws", "http"}, u.Scheme) && !here(u.Hostname())
}

// here tells whether the host is this device, whatever its names resolve to.
func here(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// near tells whether the host is an address of this device or of a private
// network.
func near(host string) bool {
	addr, err := netip.ParseAddr(host)
	return here(host) || err == nil && (addr.IsPrivate() || addr.IsLinkLocalUnicast())
}

// ports are those of the schemes of brokers.
var ports = map[string]string{"tcp": "1883", "mqtt": "1883", "ssl": "8883", "tls": "8883", "mqtts": "8883", "ws": "80", "wss": "443"}

// Address is the host and port of a broker's URL, the scheme's own port where
// it names none.
func Address(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return "" // a valid config has none
	}
	if port := u.Port(); port != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), ports[u.Scheme])
}
