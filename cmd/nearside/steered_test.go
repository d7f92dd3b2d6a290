package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/agent/config/written"
	"nearside/agent/server/steering"
	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/twofold"
	"nearside/policy/seal"
	"nearside/store"
)

// office signs for a fleet of one.
type office struct {
	t   testing.TB
	key *seal.Private
}

func newOffice(t testing.TB) *office {
	t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &office{t, key}
}

// root is the document that lists the office's key.
func (o *office) root() string {
	o.t.Helper()
	r := seal.Root{Version: 1, Threshold: 1, Tenant: "acme", Keys: []seal.Key{o.key.Key()}}
	payload, err := r.Encode()
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := seal.Sign(seal.RootType, payload)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(b)
}

// seal is a signed policy with that text.
func (o *office) seal(version int64, body string, change ...func(*seal.Payload)) string {
	o.t.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: time.Now(), Kind: seal.KindPolicy, Body: body}
	for _, c := range change {
		c(&p)
	}
	payload, err := p.Encode()
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := seal.Sign(seal.PolicyType, payload, o.key)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(b)
}

// ordinary is a policy like the built-in one.
func ordinary(replace ...string) string {
	_, _, text := written.DefaultPolicy()
	return strings.NewReplacer(replace...).Replace(text)
}

const steeredBy = "remote: {root: root.json, tenant: acme, channel: stable, device: car-7}"

// steered is a daemon that the office steers, with the config.
func (o *office) steered(config ...string) *house {
	o.t.Helper()
	h := unstarted(o.t, append(config, steeredBy)...)
	h.write("root.json", o.root())
	h.start()
	return h
}

// apply brings an envelope; it must end with the code.
func (h *house) apply(envelope string, want int) (stdout, stderr string) {
	h.t.Helper()
	h.write("envelope", envelope)
	out, bad, code := h.run("policy", "apply", filepath.Join(h.dir, "envelope"))
	if code != want {
		h.t.Fatalf("policy apply: exit %d, want %d: %s%s", code, want, out, bad)
	}
	return out, bad
}

func (h *house) standing() steering.Standing {
	h.t.Helper()
	out, bad, code := h.run("policy", "show", "--json")
	var s steering.Standing
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		h.t.Fatalf("policy show: exit %d, %v: %s%s", code, err, out, bad)
	}
	return s
}

// inForce checks version and state of the policy in force, and that replies name
// it.
func (h *house) inForce(version int64, state string) steering.Standing {
	h.t.Helper()
	var s steering.Standing
	until(h.t, "the boot is counted", patience, func() bool { s = h.standing(); return s.State != "candidate" })
	if s.Version != version || s.State != state {
		h.t.Errorf("in force: got version %d, %s, want %d, %s", s.Version, s.State, version, state)
	}
	r := h.ask(ask{text: fmt.Sprint("what is in force? ", time.Now().UnixNano())})
	if got, want := r.header.Get("x-nearside-policy"), fmt.Sprintf("%d@%.8s", s.Version, s.Digest); got != want {
		h.t.Errorf("a reply names policy %s, want %s", got, want)
	}
	return s
}

// TestApply: a signed policy is in force with the next ask, an altered, older or
// other one of the same version is not, and what was taken outlasts a kill.
func TestApply(t *testing.T) {
	t.Parallel()
	o, far := newOffice(t), newCloud(t, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	h.inForce(0, "factory")
	good := o.seal(7, ordinary())
	out, _ := h.apply(good, 0)
	if !strings.Contains(out, "policy 7") || !strings.Contains(out, "is in force, on trial") {
		t.Errorf("apply: got %q", out)
	}
	s := h.inForce(7, "probation")
	if s.Source != "remote" || len(s.Signers) != 1 || s.Signers[0] != o.key.Key().ID() || s.RootVersion != 1 || s.Floors["policy"].Version != 7 || s.Candidate == nil || s.Candidate.Version != 7 || s.Clock.State != "trusted" {
		t.Errorf("standing: %+v", s)
	}
	if out, _ := h.apply(good, 0); !strings.Contains(out, "nothing done") {
		t.Errorf("again: got %q", out)
	}
	for envelope, reason := range map[string]string{
		o.seal(6, ordinary()): seal.OlderVersion, o.seal(7, ordinary("version: 0", "version: 1")): seal.OtherDigest,
		newOffice(t).seal(8, ordinary()): seal.UnknownKey, strings.Replace(good, "eyJ", "eyK", 1): "", "": seal.Malformed, "{}": seal.Malformed,
		strings.Repeat(" ", 1<<20): seal.TooLarge, o.seal(8, "version: x"): "invalid",
		o.seal(8, ordinary(), func(p *seal.Payload) { p.Tenant = "other" }):                            seal.OtherTenant,
		o.seal(8, ordinary(), func(p *seal.Payload) { p.NotAfter = time.Now().Add(-time.Hour) }):       seal.Expired,
		o.seal(8, ordinary(), func(p *seal.Payload) { p.Audience = seal.Audience{"device:somebody"} }): seal.OtherAudience,
	} {
		_, bad := h.apply(envelope, 3)
		if got := h.standing().LastRefusal; !strings.Contains(bad, reason) || got == nil || reason != "" && got.Reason != reason {
			t.Errorf("refused with %q and %+v, want %s", bad, got, reason)
		}
	}
	digest := h.inForce(7, "probation").Digest
	h.kill()
	h.start()
	if s := h.inForce(7, "probation"); s.Digest != digest {
		t.Errorf("after a kill: digest %s, want %s", s.Digest, digest)
	}
	h.stop()
	h.start()
	h.inForce(7, "probation")
	h.apply(o.seal(6, ordinary()), 3)
	h.apply(o.seal(8, ordinary()), 0)
	h.inForce(8, "probation")
}

// TestStopsBeforeItsStore: what is kept as the daemon stops is kept in both places,
// since the store ends after those who write to it.
func TestStopsBeforeItsStore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	h := o.steered(noLocal)
	for version := range int64(6) { // it is a matter of chance who is first where nobody waits
		h.apply(o.seal(version+1, ordinary()), 0) // on trial, so that the stop is written down
		h.stop()
		h.keptTwice()
		h.start()
	}
	h.stop()
	if strings.Contains(h.log.String(), "database is closed") {
		t.Errorf("the store was closed too early: %s", &h.log)
	}
}

// keptTwice checks that both copies of the record are the same.
func (h *house) keptTwice() {
	h.t.Helper()
	state := filepath.Join(h.dir, "state")
	db, err := store.Open(h.t.Context(), store.Options{Dir: state})
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	both := twofold.New(filepath.Join(state, "policy"), func(context.Context) (twofold.Facts, error) { return db, nil })
	first, err := both.Load()
	second, bad := both.Second(h.t.Context())
	if err != nil || bad != nil || len(first) == 0 || !bytes.Equal(first, second) {
		h.t.Errorf("the two copies: %.200s, %v; %.200s, %v", first, err, second, bad)
	}
}

// TestReloadWhileSteered: a policy from outside stays in force over reloads, the
// device's own binds it as it is now, and a root that cannot be used reloads
// nothing.
func TestReloadWhileSteered(t *testing.T) {
	t.Parallel()
	o, far := newOffice(t), newCloud(t, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	h.apply(o.seal(7, ordinary()), 0)
	if r := h.ask(ask{text: "before"}); r.target() != "cloud/first" {
		t.Fatalf("got %v, want an answer of cloud/first", r)
	}
	h.write("policy.yaml", ordinary("rules:", "rules:\n  - {name: at_home, then: {deny: [cloud]}}"))
	h.write("nearside.yaml", strings.Join([]string{noLocal, clouds(far), steeredBy, "policy: policy.yaml"}, "\n"))
	if r := h.reload(); r.Before != r.After || !strings.HasPrefix(r.After, "7@") {
		t.Errorf("reload: policy %s after %s, want version 7 in force", r.After, r.Before)
	}
	if r := h.ask(ask{text: "after"}); r.status != http.StatusServiceUnavailable {
		t.Errorf("the device denies the cloud: got %v", r)
	}
	h.inForce(7, "probation")
	if err := os.WriteFile(filepath.Join(h.dir, "root.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, bad, code := h.run("config", "reload"); code != 2 || !strings.Contains(bad, "is no root document") {
		t.Errorf("reload with a broken root: exit %d, %s", code, bad)
	}
	h.inForce(7, "probation")
	h.write("root.json", o.root())
	h.write("nearside.yaml", strings.Join([]string{noLocal, clouds(far)}, "\n"))
	h.reload()
	until(t, "nobody steers", patience, func() bool { return h.standing().Remote == nil && h.standing().Version == 0 })
	h.inForce(0, "factory")
	_, bad := h.apply(o.seal(9, ordinary()), 3)
	if !strings.Contains(bad, "remote_off") {
		t.Errorf("apply without remote: %s", bad)
	}
	h.write("nearside.yaml", strings.Join([]string{noLocal, clouds(far), steeredBy}, "\n"))
	h.reload()
	until(t, "it is steered again", patience, func() bool { return h.standing().Remote != nil })
	h.inForce(7, "probation")
	h.apply(o.seal(6, ordinary()), 3)
}

// TestPolicyReset: by hand, and only with --yes.
func TestPolicyReset(t *testing.T) {
	t.Parallel()
	o, far := newOffice(t), newCloud(t, fake.Options{})
	h := o.steered(noLocal, clouds(far))
	h.apply(o.seal(7, ordinary()), 0)
	if _, _, code := h.run("policy", "reset"); code != 2 {
		t.Errorf("reset without --yes: exit %d", code)
	}
	h.inForce(7, "probation")
	if out, bad, code := h.run("policy", "reset", "--yes"); code != 0 || !strings.Contains(out, "factory") {
		t.Errorf("reset: exit %d, %s%s", code, out, bad)
	}
	h.inForce(0, "factory")
	h.apply(o.seal(6, ordinary()), 3)
	if _, _, code := h.run("policy", "reset", "--yes", "--forget-floor"); code != 0 {
		t.Errorf("reset --forget-floor: exit %d", code)
	}
	h.apply(o.seal(6, ordinary()), 0)
	h.inForce(6, "probation")
}

// TestUnsteered: a root that cannot be used costs the steering, not the daemon.
func TestUnsteered(t *testing.T) {
	t.Parallel()
	h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})), steeredBy)
	h.start()
	if c, ok := h.finds("remote", "cannot be steered"); !ok || c.Severity != "fail" {
		t.Errorf("health: %+v", h.status().Health)
	}
	h.inForce(0, "factory")
	_, bad := h.apply("{}", 3)
	if !strings.Contains(bad, "remote_off") || !strings.Contains(bad, "root.json") {
		t.Errorf("apply: %s", bad)
	}
	o := newOffice(t)
	h.write("root.json", o.root())
	h.reload()
	until(t, "it is steered", patience, func() bool { return h.standing().Remote != nil })
	h.apply(o.seal(1, ordinary()), 0)
	h.inForce(1, "probation")
}

// TestKindsOfDocuments: signed prices are in force like a policy, laid over the
// config's, over reloads and restarts, and gone with a reset.
func TestKindsOfDocuments(t *testing.T) {
	t.Parallel()
	o, far := newOffice(t), newCloud(t, fake.Options{})
	h := o.steered(noLocal, "cloud:\n  targets:\n"+priced("first", far, 1))
	n := 0
	cost := func() float64 {
		t.Helper()
		n++
		r := h.ask(ask{text: fmt.Sprint("what does it cost? ", n)})
		if r.status != http.StatusOK {
			t.Fatalf("got %v", r)
		}
		usd := h.outcome(t, r).CostUSD
		if usd == nil {
			t.Fatal("the cost is not known")
		}
		return *usd
	}
	given := cost()
	dearer := func(when string, want bool) {
		t.Helper()
		if got := cost(); (got > 5*given) != want {
			t.Errorf("%s: an answer cost %v, by the config's price %v", when, got, given)
		}
	}
	h.apply(o.seal(3, `{"prices":{"first":{"input":10,"output":10}}}`, func(p *seal.Payload) { p.Kind = seal.KindPrices }), 0)
	dearer("applied", true)
	if s := h.standing(); len(s.Kinds) != 1 || s.Kinds[0].Kind != seal.KindPrices || s.Kinds[0].Version != 3 || s.Floors["prices"].Version != 3 || s.State != "factory" {
		t.Errorf("standing: %+v", s)
	}
	h.reload()
	dearer("reloaded", true)
	h.kill()
	h.start()
	until(t, "the pool knows the price again", patience, func() bool { return cost() > 5*given })
	h.apply(o.seal(4, `{"prices":{"first":{"input":-1,"output":10}}}`, func(p *seal.Payload) { p.Kind = seal.KindPrices }), 3)
	dearer("another was refused", true)
	if _, _, code := h.run("policy", "reset", "--yes"); code != 0 {
		t.Errorf("reset: exit %d", code)
	}
	dearer("reset", false)
}
