package config_test

import (
	"os"
	"strings"
	"testing"

	"nearside/agent/config"
	"nearside/agent/config/remote"
)

// TestRemoteFaults: who may steer the device, and what it is called, is said
// whole or not at all.
func TestRemoteFaults(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		path := write(t, text)
		_, err := config.Load(path)
		if got := faultsOf(err, path); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	const rule = " must be 1 to 64 letters, digits, dots, underscores and dashes"
	const on = "root: r, tenant: T, channel: c, device: d"
	f("remote: {"+on+"}", "no error")
	f("remote: {root: r, device: d}",
		"1:1: remote.tenant: is missing; remote.root needs it", "1:1: remote.channel: is missing; remote.root needs it")
	f("remote: {root: r, tenant: a/b, channel: 'c d', device: '"+strings.Repeat("x", 65)+"', ring: '#'}",
		`1:19: remote.tenant: "a/b"`+rule, `1:32: remote.channel: "c d"`+rule,
		`1:48: remote.device: "`+strings.Repeat("x", 65)+`"`+rule, `1:125: remote.ring: "#"`+rule)
	f("remote: {"+on+", labels: {'a b': c, site: 'x y'}}", `1:53: remote.labels: the name "a b"`+rule, `1:72: remote.labels.site: "x y"`+rule)
	f("remote: {"+on+", roots: x}", "1:53: remote.roots: unknown key; did you mean root?")
	f("remote: {mqtt: {brokers: []}}", `1:17: remote.mqtt.brokers: is missing or empty; such as ["tls://broker.example:8883"]`)
	const schemes = "must be a URL that begins with tls:// or ssl:// or mqtts:// or wss:// or ws:// or tcp:// or mqtt://"
	f("remote:\n  mqtt:\n    brokers:\n    - tls://h:8883\n    - tls://u:p@h\n    - h:1883\n    - http://h\n    - tcp://h/x\n    - tls://h:8883\n    - tls://h:99999",
		"5:7: remote.mqtt.brokers[1]: must hold no user and no password", "6:7: remote.mqtt.brokers[2]: "+schemes,
		"7:7: remote.mqtt.brokers[3]: "+schemes, "8:7: remote.mqtt.brokers[4]: must end with host and port; only ws:// and wss:// have a path",
		"9:7: remote.mqtt.brokers[5]: is there twice", "10:7: remote.mqtt.brokers[6]: must have a port from 1 to 65535")
	f("remote: {mqtt: {brokers: ['tls://h'], cert: c, password: {env: P}, client_id: a/b, keep_alive: 1s, proxy: h}}",
		"1:10: remote.mqtt: needs cert and key together", "1:48: remote.mqtt.password: needs user",
		`1:68: remote.mqtt.client_id: "a/b"`+rule,
		"1:84: remote.mqtt.keep_alive: must be from 10s to 1h, or absent for five minutes",
		"1:100: remote.mqtt.proxy: must be a URL that begins with http://")
	f("remote: {mqtt: {brokers: ['tls://h'], user: u, password: "+hidden+"}}",
		"1:48: remote.mqtt.password: must not be written here; use {env: NAME}, {file: PATH} or {command: [PROGRAM, ...]}")
	f("remote: {mqtt: {brokers: ['tcp://h', 'tcp://127.0.0.1'], user: u, password: {env: P}}}",
		"1:27: remote.mqtt.brokers[0]: a password would be readable on the way; use tls:// or wss://")
	f("remote: {pull: {url: 'ftp://h', every: 1s}}",
		"1:17: remote.pull.url: must be a URL that begins with https:// or http://", "1:33: remote.pull.every: must be from 10s to 168h, or absent for 15m0s")
	f("remote: {pull: {url: 'http://h.example/p'}}",
		"1:17: remote.pull.url: must begin with https://; http only leads to this device or to an address of a private network")
	f("remote: {pull: {url: 'https://h/p', proxy: p}}",
		"1:37: remote.pull.proxy: must be a URL that begins with http:// or https:// or socks5://")
}

// TestRemoteLimits: what is left out is as usual, and what is there within
// bounds.
func TestRemoteLimits(t *testing.T) {
	c := load(t, "remote: {limits: {poor: 0, cost_usd: 0.5}}")
	want := remote.DefaultLimits()
	want.Poor, want.CostUSD = 0, 0.5
	if got := c.Remote.Limits; got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	path := write(t, "remote: {limits: {refusals: 101, quality: -1, cost_factor: 0.5, latency_ms: .inf, por: 1}}")
	_, err := config.Load(path)
	if got, want := faultsOf(err, path), "1:65: remote.limits.latency_ms: must be a number, not infinity or nan\n1:83: remote.limits.por: unknown key; did you mean poor?"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	path = write(t, "remote: {limits: {refusals: 101, quality: -1, cost_factor: 0.5, latency_ms: 1e9}}")
	_, err = config.Load(path)
	if got, want := faultsOf(err, path), "1:19: remote.limits.refusals: 101 must be from 0 to 100\n1:34: remote.limits.quality: -1 must be from 0 to 100\n"+
		"1:47: remote.limits.cost_factor: 0.5 must be from 1 to 1e+06\n1:65: remote.limits.latency_ms: 1e+09 must be from 0 to 3.6e+06"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestRemoteWarnings: what does nothing, and what others may hear.
func TestRemoteWarnings(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var got []string
		for _, w := range load(t, text).Warnings() {
			got = append(got, w.Message)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:  %q\nwant: %q", text, got, want)
		}
	}
	const clear = ": without TLS to another host: others can read and hold back what travels"
	f("remote: {tenant: T}", "remote: there is no root, so remote policy is off")
	f("remote: {root: r, tenant: T, channel: c, mqtt: {brokers: ['tcp://127.0.0.1', 'ws://localhost:1', 'tls://h', 'mqtt://h', 'ws://h']}, pull: {url: 'http://10.0.0.7/p'}}",
		"remote.mqtt.brokers[3]"+clear, "remote.mqtt.brokers[4]"+clear, "remote.pull.url"+clear)
}

// TestDefaultDevice: a device without a name in its config has one that stays
// and that can stand in a topic.
func TestDefaultDevice(t *testing.T) {
	c := load(t, "remote: {root: r, tenant: T, channel: c}")
	if d := c.Remote.Device; !remote.Plainly(d) || d != remote.DefaultDevice() {
		t.Errorf("got the name %q", d)
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(id) > 0 && strings.Contains(c.Remote.Device, strings.TrimSpace(string(id))) {
		t.Error("the name tells the machine's id")
	}
}

// TestShowRemote: the section is shown whole, without what a command is given.
func TestShowRemote(t *testing.T) {
	c := load(t, "remote: {root: r, tenant: T, channel: c, device: d, mqtt: {brokers: ['tls://h'], user: u, password: {command: [pass, "+hidden+"]}}}")
	text, err := c.Show()
	if err != nil || strings.Contains(string(text), hidden) || !strings.Contains(string(text), "- tls://h") {
		t.Errorf("%v\n%s", err, text)
	}
	if got := c.Remote.MQTT.Password.Command[1]; got != hidden {
		t.Errorf("showing changed the config: %q", got)
	}
}
