package main

import (
	"net/http"
	"strconv"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// kept asks and returns once the answer is in the cache.
func (h *house) kept(t *testing.T, a ask) *reply {
	t.Helper()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "ok" })
	rows := h.status().Store.Cache.Rows
	r := h.ask(a)
	if r.status != http.StatusOK || r.header.Get("x-nearside-cache") == "hit" {
		t.Fatalf("got %v, want a new answer", r)
	}
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > rows })
	return r
}

// aged checks that a reply says how old it is.
func aged(t *testing.T, r *reply) {
	t.Helper()
	age, err := strconv.Atoi(r.header.Get("Age"))
	if err != nil || age < 0 || age > 60 || r.header.Get("x-nearside-age") != r.header.Get("Age") {
		t.Errorf("got Age %q, x-nearside-age %q, want the same few seconds", r.header.Get("Age"), r.header.Get("x-nearside-age"))
	}
}

// TestFreshAnswers asks the same again, and nearly the same.
func TestFreshAnswers(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(cloud))
	same := inCloud("say it again").with("temperature", 0)
	want := h.kept(t, same).text
	calls := cloud.State().Calls[chatPath]

	f := func(name string, a ask, hit bool) {
		t.Helper()
		r := h.ask(a)
		if !hit {
			if calls++; r.status != http.StatusOK || r.route() != "cloud" || r.header.Get("Age") != "" {
				t.Errorf("%s: got %v, want an answer of the cloud", name, r)
			}
		} else if aged(t, r); r.route() != "cache" || r.text != want || r.target() != "cloud/first" ||
			r.header.Get("x-nearside-cache") != "hit" || r.header.Get("x-nearside-attempts") != "0" {
			t.Errorf("%s: got %v, want a hit", name, r)
		}
		if got := cloud.State().Calls[chatPath]; got != calls {
			t.Fatalf("%s: the cloud has %d calls, want %d", name, got, calls)
		}
	}
	f("same", same, true)
	f("streamed", same.with("stream", true), true)
	f("streamed, with usage", same.with("stream", true).with("stream_options", map[string]bool{"include_usage": true}), true)
	f("another user", same.with("user", "somebody"), true)
	f("max-age", same.headed("Cache-Control", "max-age=3600"), true)
	f("only-if-cached", same.headed("Cache-Control", "only-if-cached"), true)
	f("no-store", same.headed("Cache-Control", "no-store"), false)
	f("no-cache", same.headed("Cache-Control", "no-cache"), false)
	f("max-age=0", same.headed("Cache-Control", "max-age=0"), false)
	f("max_tokens", same.with("max_tokens", 5), false)
	f("an unknown field", same.with("verbosity", "low"), false)
	f("temperature", same.with("temperature", 0.5), false)
	f("no temperature", inCloud("say it again"), false)
	f("words", inCloud("say it again!").with("temperature", 0), false)
	f("target", ask{text: "say it again"}.with("temperature", 0).with("model", "cloud/first"), false)
}

// TestStreamIsKept has a stream fill the cache for a plain ask.
func TestStreamIsKept(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(cloud))
	a := inCloud("stream it").with("temperature", 0)
	want := h.kept(t, a.with("stream", true)).text
	if r := h.ask(a); r.route() != "cache" || r.text != want || r.finish != "stop" {
		t.Errorf("got %v, want %q from the cache", r, want)
	}
}

// TestNotKept is what must not be in the cache: what was forbidden, and what
// was not said to its end.
func TestNotKept(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(cloud))
	secret, broken := inCloud("do not keep"), inCloud("broken off").with("stream", true)
	h.ask(secret.headed("Cache-Control", "no-store"))
	set(t, cloud, fake.Fault{Kind: fake.CutStream, After: 5, Count: 1})
	if r := h.ask(broken); r.kind == "" {
		t.Errorf("got %v, want a stream that breaks", r)
	}
	h.kept(t, inCloud("the last in the queue"))
	for _, a := range []ask{secret, broken, inCloud("never asked")} {
		for _, stream := range []bool{false, true} {
			r := h.ask(a.with("stream", stream).headed("Cache-Control", "only-if-cached"))
			if r.status != http.StatusGatewayTimeout || r.kind != "timeout" || r.route() != "none" {
				t.Errorf("%s: got %v, want 504 timeout", a.text, r)
			}
		}
	}
}

// TestStaleAnswers asks again when no cloud answers any more.
func TestStaleAnswers(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	known := inCloud("what do you know?")
	want := h.kept(t, known).text
	set(t, first, fake.Fault{Kind: fake.Refused})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 503})
	for i := range 3 {
		for name, a := range map[string]ask{
			"plain": known, "streamed": known.with("stream", true),
			"no-cache": known.headed("Cache-Control", "no-cache"), "max-age=0": known.headed("Cache-Control", "max-age=0"),
			"max-stale": known.headed("Cache-Control", "max-stale=3600"),
		} {
			r := h.ask(a)
			aged(t, r)
			if r.status != http.StatusOK || r.route() != "stale" || r.text != want || r.header.Get("x-nearside-cache") != "stale" ||
				r.header.Get("x-nearside-degraded") != "1" || r.target() != "cloud/first" {
				t.Errorf("%s, time %d: got %v, want the stale answer", name, i, r)
			}
		}
	}
	for name, a := range map[string]ask{
		"max-stale=0": known.headed("Cache-Control", "max-stale=0"),
		"no-store":    known.headed("Cache-Control", "no-store"),
		"not known":   inCloud("and this?"),
	} {
		if r := h.ask(a); r.status < 500 || r.kind == "" || r.route() != "none" {
			t.Errorf("%s: got %v, want an error", name, r)
		}
	}
}

// TestCloudWantsCloud has the device answer first: one who asks for the cloud
// is not served that answer, not even when the cloud is down.
func TestCloudWantsCloud(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, clouds(cloud))
	a := ask{text: "What is the capital of France?"}.with("temperature", 0)
	local := h.kept(t, a.headed("x-nearside-mode", "local"))
	if local.route() != "local" {
		t.Fatalf("got %v, want a local answer", local)
	}
	h.ask(a) // may be kept, too
	set(t, cloud, fake.Fault{Kind: fake.Status, Status: 503})
	for _, stream := range []bool{false, true} {
		r := h.ask(a.with("stream", stream).headed("x-nearside-mode", "cloud"))
		if r.status < 500 || r.route() != "none" {
			t.Errorf("cloud down: got %v, want an error", r)
		}
	}
	set(t, cloud, fake.Fault{Kind: fake.None})
	if r := h.ask(a.headed("x-nearside-mode", "cloud")); r.route() != "cloud" || r.text == local.text {
		t.Errorf("got %v, want an answer of the cloud", r)
	}
	if r := h.ask(a.headed("x-nearside-mode", "local")); r.route() != "cache" || r.text != local.text {
		t.Errorf("got %v, want the kept %q", r, local.text)
	}
}
