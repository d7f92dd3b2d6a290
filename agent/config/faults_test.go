package config_test

import (
	"strings"
	"testing"

	"nearside/agent/config"
)

// faultsOf gives an error without the name of the file.
func faultsOf(err error, path string) string {
	if err == nil {
		return "no error"
	}
	return strings.ReplaceAll(err.Error(), path+":", "")
}

const target = "cloud:\n  targets:\n    - {name: a, kind: openai, base_url: 'https://a.example', models: {chat: m}}\n"

func TestFaults(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		path := write(t, text)
		_, err := config.Load(path)
		if got := faultsOf(err, path); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	// keys
	f("cloud:\n  targets:\n    - name: a\n      base_ur: x\n", "4:7: cloud.targets[0].base_ur: unknown key; did you mean base_url?")
	f("cache: {Fresh: 1h}", "1:9: cache.Fresh: unknown key; did you mean fresh?")
	f("cache: {lifetime: 1h}", "1:9: cache.lifetime: unknown key; known are fresh, stale, max_bytes")
	f("drain: 1s\nstate: /a\ndrain: 2s\n", "3:1: drain: is there twice, first in line 1")
	f("state:\nlocal: ~\n", "1:1: state: has no value; give it one or remove it", "2:1: local: has no value; give it one or remove it")
	f("\"a\\eb\": 1", `1:1: "a\x1bb": unknown key; known are listen, state, local, cloud, services, callers, strangers, cache, policy, learn, remote, drain, log`)
	// types
	f("state: 3", "1:1: state: must be text, not a number; put it in quotes")
	f("state: [a]", "1:1: state: must be text, not a list")
	f("listen: here", "1:1: listen: must be keys with values, not text")
	f("- a", "1:1: must be keys with values, not a list")
	f("listen:\n  hosts: localhost", "2:3: listen.hosts: must be a list, not text")
	f("listen:\n  hosts:\n  - a\n  - 1", "4:5: listen.hosts[1]: must be text, not a number; put it in quotes")
	f("local: {disabled: yes}", "1:9: local.disabled: must be true or false, not text")
	f("local: {engine: {threads: 1.5}}", "1:18: local.engine.threads: must be a whole number, not a decimal number")
	f("local: {engine: {threads: 18446744073709551615}}", "1:18: local.engine.threads: is out of range")
	f("local: {engine: {threads: -1}}", "1:18: local.engine.threads: must be from 0 to 1024")
	f("drain: 10", "1:1: drain: must be a duration with a unit, such as 30s, 10m or 168h")
	f("cache: {max_bytes: 12MB}", "1:9: cache.max_bytes: must be a size, such as 256MiB, 64KiB or 4096")
	f("cache: {max_bytes: 9999999999GiB}", "1:9: cache.max_bytes: must be a size, such as 256MiB, 64KiB or 4096")
	f("cache: {max_bytes: 4096}", "1:9: cache.max_bytes: must be at least 1MiB")
	f("cache: {fresh: 2h, stale: 1h}", "1:20: cache.stale: must be at least cache.fresh")
	// values
	f("listen: {http: 'here'}", `1:10: listen.http: "here" must be HOST:PORT, such as 127.0.0.1:6327, or "" for none`)
	f("listen: {http: ':6327'}", `1:10: listen.http: "" on port 6327 is not a loopback address; that needs listen.tls and listen.token`)
	f("listen: {hosts: ['localhost:6327', '[::1']}",
		`1:18: listen.hosts[0]: "localhost:6327" must be a host without a port, such as localhost, 127.0.0.1 or [::1]`,
		`1:36: listen.hosts[1]: "[::1" must be a host without a port, such as localhost, 127.0.0.1 or [::1]`)
	f("listen: {origins: ['a.example']}", "1:20: listen.origins[0]: must be SCHEME://HOST or SCHEME://HOST:PORT")
	f("listen: {socket: /"+strings.Repeat("s", 120)+"}", "1:10: listen.socket: is 121 bytes long; a socket's path can have 107")
	f("drain: 1h", "1:1: drain: must be from 0s to 10m")
	f("learn: {audit_usd: .nan}", "1:9: learn.audit_usd: must be a number, not infinity or nan")
	f("learn: {audit_pct: 50, audit_calls: -1, audit_usd: 101}", "1:9: learn.audit_pct: must be from 0 to 10",
		"1:24: learn.audit_calls: must be from 0 to 10000", "1:41: learn.audit_usd: must be from 0 to 100")
	f("log: {level: loud, format: xml}",
		`1:7: log.level: "loud" must be one of debug, info, warn, error`, `1:20: log.format: "xml" must be one of text, json`)
	f("local: {engine: {command: [a], url: 'http://127.0.0.1:1'}}",
		"1:1: local.models: is missing; name the models that the server at local.engine.url has",
		"1:9: local.engine: must have only one of command and url")
	f("local: {engine: {url: 'http://10.0.0.7:8080/v1'}, models: [{name: a}]}",
		"1:18: local.engine.url: must lead to this device; another host is a cloud target")
	f("local: {engine: {command: [], start: now}}",
		"1:18: local.engine.command: must begin with a program", `1:31: local.engine.start: "now" must be one of ask, boot`)
	f("local: {models: [{name: a}, {name: 'b c', file: f, sha256: abc, services: [], context: -1, sampling: {t: .inf}}]}",
		"1:103: local.models[1].sampling.t: must be a number, not infinity or nan")
	f("local:\n  models:\n  - name: a\n  - name: A\n    file: f\n    sha256: abc\n    services: []\n    context: -1\n  - file: 'x'\n    services: [a b, c, c]",
		"3:5: local.models[0].file: is missing, and no model of this name is installed",
		`4:5: local.models[1].name: "A" is there twice`,
		"6:5: local.models[1].sha256: must be 64 hex digits",
		"7:5: local.models[1].services: is empty",
		"8:5: local.models[1].context: must be from 0 to 16777216",
		"9:5: local.models[2].name: is missing",
		`10:5: local.models[2].services: "a b" must be at most 64 letters and digits, after the first also . _ - and :`,
		`10:5: local.models[2].services: "c" is there twice`)
	f("cloud:\n  targets:\n  - name: a\n    kind: gpt\n    services: [chat]\n    context: -1\n    price: {input: -1, output: 1}",
		"3:5: cloud.targets[0].base_url: is missing",
		"3:5: cloud.targets[0].models: is missing or empty; such as {chat: some-model}",
		`4:5: cloud.targets[0].kind: "gpt" must be one of openai, http`,
		`5:16: cloud.targets[0].services[0]: "chat" has no model in models`,
		"6:5: cloud.targets[0].context: must be 0 or more",
		"7:13: cloud.targets[0].price.input: must be a number of USD, 0 or more")
	f(strings.Replace(target, "https://a.example", "a.example", 1), "3:31: cloud.targets[0].base_url: must be a URL that begins with http:// or https://")
	f(strings.Replace(target, "a.example", "u:p@a.example", 1), "3:31: cloud.targets[0].base_url: must hold no user and no password")
	f(strings.Replace(target, "a.example", "a.example/?k=v", 1), "3:31: cloud.targets[0].base_url: must end with its path, without ? and #")
	f(strings.Replace(target, "chat: m", "chat: ''", 1), "3:71: cloud.targets[0].models.chat: is empty")
}

func TestFilesThatAreNotTaken(t *testing.T) {
	f := func(text string, want string) {
		t.Helper()
		path := write(t, text)
		_, err := config.Load(path)
		if got := faultsOf(err, path); got != want {
			t.Errorf("%.60q\ngot:  %s\nwant: %s", text, got, want)
		}
	}
	f("state: \"a\n", "1:8: could not find end character of double-quoted text")
	f("a: b: c\n", "1:4: mapping value is not allowed in this context")
	f("state: /a\n---\nstate: /b\n", "3:6: has a second document; only one is taken")
	f("state: /a\nlog: {level: \xff}\n", "2:14: is not UTF-8 text")
	f("state: a\x00b\n", "1:9: has a control character")
	const noAlias = "anchors (&), aliases (*) and merge keys (<<) are not taken; write the value out"
	f("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "1:4: "+noAlias)
	f("a: *a", "1:4: "+noAlias)
	f("<<: {a: 1}", "1:1: "+noAlias)
	f("a: !!str b", "1:4: tags (!) and directives (%) are not taken")
	f("%YAML 1.2\n---\n", "1:1: tags (!) and directives (%) are not taken")
	f("? a\n: b", "1:1: keys with ? are not taken; write key: value")
	f("a: "+strings.Repeat("[", 100_000), "1:68: is nested too deep")
	f(strings.Repeat("- ", 100_000), "1:129: is nested too deep")
	f(strings.Repeat("a:\n", 20_000), "10001:2: has too many entries")
	f("a: ["+strings.Repeat("1,", 80_000), "1:60002: has too many entries")

	path := write(t, strings.Repeat("#", 1<<20+1))
	if _, err := config.Load(path); err == nil || err.Error() != "read config: "+path+": is larger than 1024 KiB" {
		t.Errorf("huge file: %v", err)
	}
}

func TestManyFaultsAreCutShort(t *testing.T) {
	path := write(t, strings.Repeat("a: 1\n", 1000))
	_, err := config.Load(path)
	lines := strings.Split(err.Error(), "\n")
	if got := lines[len(lines)-1]; len(lines) != 21 || got != path+": and 980 more" {
		t.Errorf("%d lines, the last %q", len(lines), got)
	}
}

// TestCallerFaults: who may ask must be told apart, and somebody must be left.
func TestCallerFaults(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		path := write(t, text)
		_, err := config.Load(path)
		if got := faultsOf(err, path); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:  %s\nwant: %s", text, got, strings.Join(want, "\n"))
		}
	}
	const tls, token = "tls: {cert: c, key: k}", "token: {file: f}"
	const far = `"0.0.0.0" on port 1 is not a loopback address; that needs listen.tls and listen.token`
	f("listen: {http: '0.0.0.0:1', "+tls+"}", "1:10: listen.http: "+far)
	f("listen: {http: '0.0.0.0:1', "+token+"}", "1:10: listen.http: "+far)
	f("listen: {http: '0.0.0.0:1', hosts: [localhost, '[::1]'], "+token+", "+tls+"}",
		"1:29: listen.hosts: names only this device; add the name by which others reach it")
	f("listen: {tls: {cert: c}}", "1:10: listen.tls: needs cert and key")
	f("listen: {asks: 0}", "1:10: listen.asks: must be from 1 to 65536")
	f("listen: {token: "+hidden+"}", "1:10: listen.token: must not be written here; use {env: NAME}, {file: PATH} or {command: [PROGRAM, ...]}")
	f("callers:\n- {name: a, uid: 1}\n- {name: A, uid: 1}\n- {name: b}\n- {name: c, uid: 3, token: {env: T}}\n- {name: d, uid: -1}",
		`3:4: callers[1].name: "A" is there twice`, "3:13: callers[1].uid: 1 is there twice",
		"4:3: callers[2]: must have one of uid and token", "5:3: callers[3]: must have one of uid and token",
		"6:13: callers[4].uid: must be from 0 to 4294967294")
	f("callers:\n- {name: 'uid:0', uid: 1}\n- {name: other, uid: 2}\n- {name: token, uid: 3}",
		"2:4: callers[0].name: must have no colon: uid:N and tcp:ADDRESS are those not listed",
		`3:4: callers[1].name: "other" stands for callers that have no name; choose another`, `4:4: callers[2].name: "token" stands for callers that have no name; choose another`)
	f("callers:\n- {name: a, uid: 1, services: [], rate: {per_minute: 0, burst: -1}, share: 0}",
		"2:21: callers[0].services: is empty; name services, or remove it for all",
		"2:42: callers[0].rate.per_minute: must be from 1 to 1000000",
		"2:57: callers[0].rate.burst: must be from 1 to 1000000, or absent for per_minute",
		"2:69: callers[0].share: must be over 0 and at most 1, such as 0.25")
	f("callers: [{name: a, uid: 1, services: [chat, chat], share: 1.5}]",
		`1:29: callers[0].services: "chat" is there twice`, "1:53: callers[0].share: must be over 0 and at most 1, such as 0.25")
	f("strangers: some", `1:1: strangers: "some" must be one of allow, refuse`)
	f("strangers: refuse", "1:1: strangers: refuse leaves nobody who may ask; list callers, or set listen.token")
}

func TestCallersAreTaken(t *testing.T) {
	c := load(t, `
listen: {http: "0.0.0.0:6327", hosts: [kiosk.example], tls: {cert: c.pem, key: k.pem}, token: {env: T}, asks: 8}
callers:
  - {name: dashboard, uid: 1001, services: [chat], rate: {per_minute: 30, burst: 5}, share: 0.25}
  - {name: robot, token: {file: robot.token}, services: [chat, control]}
`)
	if c.StrangersMay() || c.Listen.Asks != 8 || *c.Callers[0].Share != 0.25 || c.Callers[0].Rate.Burst != 5 {
		t.Errorf("got %+v", c)
	}
	for text, want := range map[string]bool{
		"": true, "callers: []": true, "callers: [{name: a, uid: 1}]": false, "strangers: allow\ncallers: [{name: a, uid: 1}]": true,
	} {
		if got := load(t, text).StrangersMay(); got != want {
			t.Errorf("%q: strangers may: %t", text, got)
		}
	}
	c = load(t, "listen: {http: '', token: {env: T}}\ncallers: [{name: a, token: {env: U}}]")
	if w := c.Warnings(); len(w) != 1 || w[0].Message != "listen.token, callers[0].token: for TCP, and that is off" {
		t.Errorf("got %q", w)
	}
	if w := load(t, "listen: {hosts: []}").Warnings(); len(w) != 1 || !strings.HasPrefix(w[0].Message, "listen.hosts is empty") {
		t.Errorf("got %q", w)
	}
}
