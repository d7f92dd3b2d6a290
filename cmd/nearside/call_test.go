package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/agent/decision"
	"nearside/cmd/fakecloud/fake"
)

const itemsPath = "/v2/items"

// shops is the config of a JSON API behind a pool: cloud/first, cloud/second.
func shops(servers ...*fake.Server) string {
	text := "cloud:\n  targets:\n"
	for i, s := range servers {
		text += fmt.Sprintf("    - {name: %s, kind: http, base_url: %q, services: {inventory: {path: %s}, shelf: {path: %[3]s, method: GET}}}\n",
			[]string{"first", "second"}[i], s.URL(), itemsPath)
	}
	return text
}

// stock is what is set for the API: a number in stock, and nothing when it is
// not known.
const stock = `
services:
  inventory:
    request_schema: '{"type":"object","required":["article"],"properties":{"article":{"type":"string"}}}'
    reply_schema: |
      {"type": "object", "required": ["stock"], "properties": {"stock": {"type": ["integer", "null"]}}}
    default: '{"stock": null}'
  shelf: {fresh: 1h}
`

const (
	screw   = `{"article":"screw"}`
	nothing = `{"stock": null}`
)

func (h *house) call(service, body string, head ...string) sent {
	h.t.Helper()
	return h.post("/v1/call/"+service, body, head...)
}

// TestCallsFailOver has the first target break in every way there is; each of
// 30 calls gets a good reply, and the broken one few calls.
func TestCallsFailOver(t *testing.T) {
	t.Parallel()
	for _, fault := range []fake.Fault{
		{Kind: fake.Refused}, {Kind: fake.Status, Status: 503}, {Kind: fake.Status, Status: 429, RetryAfterS: 60},
		{Kind: fake.HTML}, {Kind: fake.CutJSON}, {Kind: fake.Misshapen}, {Kind: fake.Empty},
	} {
		t.Run(string(fault.Kind), func(t *testing.T) {
			t.Parallel()
			one, two := newCloud(t, fake.Options{Name: "one"}), newCloud(t, fake.Options{Name: "two"})
			h := newHouse(t, noLocal, shops(one, two), stock)
			set(t, one, fault)
			for i := range 30 {
				r := h.call("inventory", fmt.Sprintf(`{"article":"screw %d"}`, i))
				if r.status != http.StatusOK || !strings.Contains(r.body, `"from":"two"`) || r.header.Get("x-nearside-target") != "cloud/second" {
					t.Fatalf("call %d: got %d %s by %q", i, r.status, r.body, r.road())
				}
			}
			if n := one.State().Calls[itemsPath]; n > 5 {
				t.Errorf("the broken target got %d calls, want at most 5", n)
			}
		})
	}
}

// TestCallHangs has the first target take calls and never answer: it is waited
// for once.
func TestCallHangs(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{Name: "two"})
	h := unstarted(t, noLocal, shops(one, two), stock, "policy: policy.yaml")
	h.write("policy.yaml", quick(t))
	h.start()
	set(t, one, fake.Fault{Kind: fake.Hang})
	for range 5 {
		if r := h.call("inventory", screw); r.status != http.StatusOK || !strings.Contains(r.body, `"from":"two"`) {
			t.Fatalf("got %d %s by %q", r.status, r.body, r.road())
		}
	}
	if n := one.State().Calls[itemsPath]; n != 1 {
		t.Errorf("the hanging target got %d calls, want 1", n)
	}
}

// TestCallLadder goes down the ladder: the API, what it said last, the reply
// for when nothing answers.
func TestCallLadder(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{Name: "one"})
	h := newHouse(t, noLocal, shops(one), stock)
	f := func(service, body, road, want string, head ...string) {
		t.Helper()
		r := h.call(service, body, head...)
		if r.status != http.StatusOK || r.road() != road || !strings.Contains(r.body, want) {
			t.Errorf("%s %s: got %d %q %s, want %q %s", service, body, r.status, r.road(), r.body, road, want)
		}
	}
	f("inventory", screw, "cloud cloud/first cloud_only", `"stock":35`)
	f("shelf", screw, "cloud cloud/first cloud_only", `"stock":35`)
	if last := one.State().Last; last.Method != http.MethodGet || last.Body != "" {
		t.Errorf("got %s with body %q, want GET without", last.Method, last.Body)
	}
	until(t, "both are kept", patience, func() bool { return h.status().Store.Cache.Rows == 2 })
	f("inventory", screw, "cloud cloud/first cloud_only", `"stock":35`) // never fresh, unless that is set
	f("shelf", screw, "cache cloud/first cache_fresh", `"stock":35`)

	set(t, one, fake.Fault{Kind: fake.Misshapen})
	f("shelf", `{"article":"bolt"}`, "cloud cloud/first cloud_only", `"plenty"`) // no schema, no fault
	f("inventory", screw, "stale cloud/first stale_on_error degraded", `"stock":35`)
	f("inventory", `{"article":"nail"}`, "default  default_on_error degraded", nothing)
	f("inventory", screw, "default  default_on_error degraded", nothing, "Cache-Control", "max-stale=0")
	set(t, one, fake.Fault{Kind: fake.Refused})
	f("inventory", screw, "stale cloud/first stale_on_error degraded", `"stock":35`)
	if r := h.call("shelf", `{"article":"nut"}`); r.status/100 != 5 || r.road() != "none  no_route" {
		t.Errorf("without a default: got %d %q %s", r.status, r.road(), r.body)
	}
}

// TestCallRefused looks at calls that go nowhere, and those the API refuses.
func TestCallRefused(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, shops(one), stock)
	f := func(service, body string, status int, want string, head ...string) {
		t.Helper()
		r := h.call(service, body, head...)
		if r.status != status || !strings.Contains(r.body, want) {
			t.Errorf("%s %s: got %d %s, want %d %s", service, body, r.status, r.body, status, want)
		}
	}
	f("stock", screw, 404, "not one of inventory, shelf")
	f("chat", screw, 404, "/v1/chat/completions")
	f("inventory", `{"article":`, 400, "must be JSON")
	f("inventory", `{"article":1}`, 400, "at '/article'")
	f("inventory", `[]`, 400, "does not fit the schema of inventory")
	f("shelf", `{"article":["a"]}`, 400, "body.article is a list")
	f("shelf", screw, 422, "policy_blocked", "x-nearside-privacy", "private")
	f("inventory", screw, 200, nothing, "x-nearside-privacy", "private") // the default is no secret
	if n := one.State().Calls[itemsPath]; n != 0 {
		t.Errorf("%d calls left the device", n)
	}
	f("inventory", `{"article":"unicorn"}`, 404, "no unicorn")
	f("inventory", `{"article":""}`, 422, "article is missing")
	f("inventory", screw, 200, `"stock":35`) // a 404 of an API sets nothing aside
}

// TestCallCarries looks at what goes out: the key and the headers that are set,
// one key of idempotency for all attempts, and what a record says of it.
func TestCallCarries(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	text := strings.ReplaceAll(shops(one, two), "kind: http,", "kind: http, key: {file: shop.key}, key_header: X-Api-Key, headers: {X-Shop: berlin},")
	h := unstarted(t, noLocal, text, stock)
	h.write("shop.key", "k-123")
	h.start()
	set(t, one, fake.Fault{Kind: fake.Misshapen})
	until(t, "the keys are there", patience, func() bool { return h.target("cloud/first").Usable && h.target("cloud/second").Usable })
	r := h.call("inventory", screw)
	a, b := one.State().Last.Header, two.State().Last.Header
	if r.status != 200 || b.Get("X-Api-Key") != "k-123" || b.Get("X-Shop") != "berlin" || b.Get("Authorization") != "" {
		t.Errorf("got %d %s, sent %v", r.status, r.body, b)
	}
	id := r.header.Get("x-nearside-decision")
	if a.Get("Idempotency-Key") != id || b.Get("Idempotency-Key") != id {
		t.Errorf("got keys %q and %q, want %q", a.Get("Idempotency-Key"), b.Get("Idempotency-Key"), id)
	}
	var rec decision.Record
	until(t, "it is recorded", patience, func() bool { return json.Unmarshal(h.get("/v1/decisions/"+id), &rec) == nil && rec.ID == id })
	if rec.Service != "inventory" || len(rec.Attempts) != 2 || rec.Attempts[0].Result != "unfit" || strings.Contains(fmt.Sprint(rec), "screw") {
		t.Errorf("recorded %+v", rec)
	}
	if list := string(h.get("/v1/models")); strings.Contains(list, "cloud/first") || !strings.Contains(list, `"auto"`) {
		t.Errorf("got %s, want no API for a model", list)
	}
	if s := h.target("cloud/first"); s.Kind != "http" || s.ErrorRate == nil || *s.ErrorRate == 0 {
		t.Errorf("the status says %+v of a target whose reply did not fit", s)
	}
}

// TestCallCommand calls from the command line.
func TestCallCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t, noLocal, shops(newCloud(t, fake.Options{Name: "one"})), stock)
	h.write("order.json", screw)
	run := func(in string, args ...string) (string, int) {
		cmd := h.command(args...)
		cmd.Stdin, cmd.Dir = strings.NewReader(in), h.dir
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	f := func(in, want string, code int, args ...string) {
		t.Helper()
		if out, got := run(in, args...); got != code || !strings.Contains(out, want) {
			t.Errorf("%v: got %d %s, want %d %s", args, got, out, code, want)
		}
	}
	f(screw, `"stock":35`, 0, "call", "inventory")
	f("", `"stock":35`, 0, "call", "inventory", "order.json")
	f(screw, `"reply":{"article":"screw"`, 0, "call", "inventory", "-", "--json")
	f("", `1. cloud`, 0, "call", "inventory", "order.json", "--explain")
	f("", `"service":"inventory"`, 0, "call", "inventory", "order.json", "--explain", "--json")
	f("{", "", 2, "call", "inventory")
	f("", "", 2, "call", "inventory", "{}") // JSON where a file is to be named
	f(screw, "", 2, "call", "stock")
	f(screw, "", 3, "call", "shelf", "--private")
}

// TestCallOffline: without a network nothing is tried, and the reply for that
// case is given at once.
func TestCallOffline(t *testing.T) {
	if !isolated(t) {
		return
	}
	resolver(t, "")
	far := "cloud:\n  targets:\n    - {name: far, kind: http, base_url: \"http://shop.example\", services: {inventory: {path: /v2/items}, shelf: {path: /v2/items}}}\n"
	h := newHouse(t, noLocal, far, stock)
	if r := h.call("inventory", screw); r.status != http.StatusOK || r.road() != "default  offline degraded" || r.body != nothing || r.header.Get("x-nearside-attempts") != "0" {
		t.Errorf("got %d %q %s", r.status, r.road(), r.body)
	}
	if r := h.call("shelf", screw); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "offline_no_route") {
		t.Errorf("without a default: got %d %s", r.status, r.body)
	}
}

// TestCallsOfCallers: who may call a service is said where callers are listed.
func TestCallsOfCallers(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, shops(one), stock, fmt.Sprintf("callers: [{name: me, uid: %d, services: [shelf]}]", os.Geteuid()))
	if r := h.call("shelf", screw); r.status != http.StatusOK {
		t.Errorf("shelf: got %d %s", r.status, r.body)
	}
	if r := h.call("inventory", screw); r.status != http.StatusForbidden {
		t.Errorf("inventory: got %d %s, want 403", r.status, r.body)
	}
}

// TestCallAfterReload changes what is set for a service while it is called.
func TestCallAfterReload(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, shops(one), stock)
	if r := h.call("inventory", screw); r.status != http.StatusOK || !strings.Contains(r.body, `"stock":35`) {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	until(t, "it is kept", patience, func() bool { return h.status().Store.Cache.Rows == 1 })
	h.write("nearside.yaml", strings.Join([]string{noLocal, shops(one), strings.NewReplacer(
		`'{"stock": null}'`, `'{"shelf": 0}'`, `["stock"]`, `["shelf"]`).Replace(stock)}, "\n"))
	if r := h.reload(); !slices.Contains(r.Changed, "services") || len(r.Restart) != 0 {
		t.Errorf("got %+v, want services changed", r)
	}
	r := h.call("inventory", screw)
	if r.road() != "default  default_on_error degraded" || r.body != `{"shelf": 0}` {
		t.Errorf("got %q %s, want the new default, since neither a new nor the kept reply fits the new schema", r.road(), r.body)
	}
	out, note, code := h.run("call", "inventory", filepath.Join(h.dir, "nail.json"))
	if code != 1 {
		t.Errorf("without its file: got %d %s %s", code, out, note)
	}
	h.write("nail.json", `{"article":"nail"}`)
	if out, note, code = h.run("call", "inventory", filepath.Join(h.dir, "nail.json")); code != 0 || out != "{\"shelf\": 0}\n" || !strings.HasPrefix(note, "default · default_on_error · not verified · ") {
		t.Errorf("got %d %q %q", code, out, note)
	}
}

// TestCallElsewhereAfterReload: what one shop answered is not given for another
// that has taken its name.
func TestCallElsewhereAfterReload(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{Name: "one"}), newCloud(t, fake.Options{Name: "two"})
	h := newHouse(t, noLocal, shops(one), stock)
	h.call("shelf", screw)
	until(t, "it is kept", patience, func() bool { return h.status().Store.Cache.Rows == 1 })
	if r := h.call("shelf", screw); !strings.HasPrefix(r.road(), "cache") {
		t.Errorf("the same again: got %q", r.road())
	}
	h.write("nearside.yaml", strings.Join([]string{noLocal, shops(two), stock}, "\n"))
	h.reload()
	if r := h.call("shelf", screw); !strings.Contains(r.body, `"from":"two"`) {
		t.Errorf("got %q %s", r.road(), r.body)
	}
}
