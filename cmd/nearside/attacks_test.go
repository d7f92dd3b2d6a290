package main

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/agent/server/steering"
	"nearside/cmd/fakecloud/fake"
	"nearside/policy/seal"
)

// council is a fleet's key holders: two of a, b and c sign. Of root 1 it was two
// of a, b and d; a stranger never signed anything that counts.
type council struct {
	t                    testing.TB
	a, b, c, d, stranger *seal.Private
}

func newCouncil(t testing.TB) *council {
	t.Helper()
	keys := [5]*seal.Private{}
	for i := range keys {
		key, err := seal.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	return &council{t, keys[0], keys[1], keys[2], keys[3], keys[4]}
}

// both are the two that usually sign.
func (c *council) both() []*seal.Private { return []*seal.Private{c.a, c.b} }

// envelope is what is signed by those keys, whatever it is.
func (c *council) envelope(typ, payload string, by ...*seal.Private) string {
	c.t.Helper()
	signers := []seal.Signer{}
	for _, k := range by {
		signers = append(signers, k)
	}
	b, err := seal.Sign(typ, []byte(payload), signers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// words are a policy as it is signed, with text replaced.
func (c *council) words(version int64, replace ...string) string {
	c.t.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Epoch: 3, Issued: time.Now(), Kind: seal.KindPolicy, Body: ordinary()}
	b, err := p.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			c.t.Fatalf("there is no %s in the payload", replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return text
}

// policy is signed rightly, whatever is in it.
func (c *council) policy(version int64, replace ...string) string {
	c.t.Helper()
	return c.envelope(seal.PolicyType, c.words(version, replace...), c.both()...)
}

// with adds fields to a policy that is signed rightly.
func (c *council) with(fields string) string {
	c.t.Helper()
	return c.policy(9, `"kind":`, fields+`,"kind":`)
}

// root is a root's payload: so many of those keys.
func (c *council) root(version int64, threshold int, keys ...*seal.Private) seal.Root {
	r := seal.Root{Version: version, Threshold: threshold, Tenant: "acme"}
	for _, k := range keys {
		r.Keys = append(r.Keys, k.Key())
	}
	return r
}

// rooted is the envelope of a root.
func (c *council) rooted(r seal.Root, by ...*seal.Private) string {
	c.t.Helper()
	payload, err := r.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.envelope(seal.RootType, string(payload), by...)
}

// first is the root that the device has in its config, second the one that took
// its place and revoked the key d.
func (c *council) first() string { return c.rooted(c.root(1, 2, c.a, c.b, c.d)) }

func (c *council) second() string { return c.rooted(c.root(2, 2, c.a, c.b, c.c), c.both()...) }

// order is a command signed by those keys.
func (c *council) order(id, do string, by ...*seal.Private) string {
	c.t.Helper()
	return c.commanded(seal.Command{ID: id, Do: do}, by...)
}

func (c *council) commanded(m seal.Command, by ...*seal.Private) string {
	c.t.Helper()
	m.Tenant, m.Issued = cmp.Or(m.Tenant, "acme"), time.Now().Add(-2*time.Hour)
	if m.NotAfter.IsZero() {
		m.NotAfter = time.Now().Add(time.Hour)
	}
	payload, err := m.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.envelope(seal.CommandType, string(payload), by...)
}

// parts are an envelope with its parts open to be meddled with.
type parts struct {
	Type       string `json:"payloadType"`
	Payload    []byte `json:"payload"`
	Signatures []mark `json:"signatures"`
}

type mark struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// meddled is the envelope after somebody changed it on the way.
func meddled(t testing.TB, envelope string, change func(*parts)) string {
	t.Helper()
	var w parts
	if err := json.Unmarshal([]byte(envelope), &w); err != nil {
		t.Fatal(err)
	}
	change(&w)
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// steeredWell is what the council's devices have in their config, as far as who
// they are.
const steeredWell = "root: root.json, tenant: acme, channel: stable, device: car-7, ring: early, labels: {site: oslo}"

// siege is a device of the council's with root 2 and policy 7 of epoch 3 in
// force, and somebody who listens to what happens to it.
type siege struct {
	*house
	*council
	t      *testing.T
	events <-chan happened
}

// besieged starts one, with more of remote in its config.
func (c *council) besieged(t *testing.T, more ...string) *siege {
	t.Helper()
	s := c.unsteered(t, more...)
	s.start()
	s.settle()
	return s
}

// unsteered is one that was not started yet.
func (c *council) unsteered(t *testing.T, more ...string) *siege {
	t.Helper()
	remote := strings.Join(append([]string{steeredWell}, more...), ", ")
	s := &siege{house: unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})), "remote: {"+remote+"}"), council: c, t: t}
	s.write("root.json", c.first())
	return s
}

// settle has root 2 and policy 7 taken.
func (s *siege) settle() {
	s.t.Helper()
	s.events = s.listen(s.t.Context(), "")
	s.apply(s.second(), 0)
	s.apply(s.policy(7), 0)
	s.inForce(7, "probation")
}

// assault is bytes that somebody brings, and why they are not taken: a reason,
// and behind a slash words of the sentence.
type assault struct{ name, bytes, why string }

// repel brings the attacks by hand, each as a test of its own. More than a dozen
// would no longer each be an event.
func (s *siege) repel(attacks ...assault) {
	s.t.Helper()
	whole := s.house.t
	for _, a := range attacks {
		reason, words, _ := strings.Cut(a.why, "/")
		s.t.Run(a.name, func(t *testing.T) {
			s.house.t = t
			s.repels(t, reason, func() {
				s.write("envelope", a.bytes)
				out, bad, code := s.run("policy", "apply", "--json", filepath.Join(s.dir, "envelope"))
				var said struct{ Reason string }
				if err := json.Unmarshal([]byte(out), &said); err != nil || code != 3 || said.Reason != reason || !strings.Contains(bad, words) {
					t.Errorf("policy apply: exit %d, %s%s, want 3 and %s", code, out, bad, a.why)
				}
			})
		})
	}
	s.house.t = whole
}

// repels checks that what is done is refused for that reason, told as an event
// and counted once, and that what is in force stays and answers.
func (s *siege) repels(t *testing.T, reason string, do func()) {
	t.Helper()
	before, counted := s.standing(), s.refusals(reason)
	do()
	hears(t, s.events, "policy", `"kind":"refused"`, fmt.Sprintf(`"reason":%q`, reason))
	after := s.unmoved(t, before)
	if after.LastRefusal == nil || after.LastRefusal.Reason != reason {
		t.Errorf("the last refusal is %+v, want %s", after.LastRefusal, reason)
	}
	if got := s.refusals(reason) - counted; got != 1 {
		t.Errorf("metrics count %v more refused for %s, want 1", got, reason)
	}
}

func (s *siege) refusals(reason string) float64 {
	s.house.t.Helper()
	return s.scrape()[fmt.Sprintf("nearside_policy_refusals_total{reason=%q}", reason)]
}

// unmoved checks that all that counts is as it was, and that asks are answered
// by it.
func (s *siege) unmoved(t *testing.T, before steering.Standing) steering.Standing {
	t.Helper()
	now := s.standing()
	if got, want := whatCounts(now), whatCounts(before); !reflect.DeepEqual(got, want) {
		t.Errorf("in force is now %+v, was %+v", got, want)
	}
	r := s.ask(ask{text: "is all well? " + rand.Text()})
	if got, want := r.header.Get("x-nearside-policy"), fmt.Sprintf("%d@%.8s", before.Version, before.Digest); r.status != 200 || got != want {
		t.Errorf("an ask is answered %v by policy %s, want %s", r, got, want)
	}
	return now
}

// whatCounts leaves out what time and asks change.
func whatCounts(s steering.Standing) steering.Standing {
	s.LastRefusal, s.Candidate, s.Clock, s.RolledBack = nil, nil, nil, nil
	return s
}

// TestAttackSignatures: what too few of the right keys signed, or not these
// bytes, is not taken.
func TestAttackSignatures(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	good, words := c.policy(9), c.words(9)
	change := func(f func(*parts)) string { return meddled(t, good, f) }
	s := c.besieged(t)
	s.repel(
		assault{"unsigned", change(func(w *parts) { w.Signatures = nil }), seal.Malformed + "/signatures must be"},
		assault{"empty signature list", c.envelope(seal.PolicyType, words), seal.Unsigned},
		assault{"one of two signatures", c.envelope(seal.PolicyType, words, c.a), seal.TooFewSignatures},
		assault{"same key twice", change(func(w *parts) { w.Signatures[1] = w.Signatures[0] }), seal.TooFewSignatures},
		assault{"same signature by two names", change(func(w *parts) { w.Signatures[1].Sig = w.Signatures[0].Sig }), seal.BadSignature},
		assault{"unknown key", c.envelope(seal.PolicyType, words, c.stranger), seal.UnknownKey},
		assault{"unknown key under a known name", change(func(w *parts) {
			w.Signatures = []mark{{c.a.Key().ID(), signature(t, c.stranger, w)}, {c.b.Key().ID(), signature(t, c.stranger, w)}}
		}), seal.BadSignature},
		assault{"revoked key beside a good one", c.envelope(seal.PolicyType, words, c.a, c.d), seal.TooFewSignatures},
		assault{"revoked key", c.envelope(seal.PolicyType, words, c.d), seal.UnknownKey},
		assault{"altered byte in the body", change(func(w *parts) { w.Payload = bytes.Replace(w.Payload, []byte("rules"), []byte("rulez"), 1) }), seal.BadSignature},
		assault{"altered type", change(func(w *parts) { w.Type = seal.CommandType }), seal.WrongType},
		assault{"altered byte in a signature", change(func(w *parts) { w.Signatures[1].Sig[40] ^= 1 }), seal.BadSignature},
		assault{"signature in its other form", change(func(w *parts) { w.Signatures[0].Sig = twisted(w.Signatures[0].Sig) }), seal.BadSignature},
	)
}

// TestAttackEnvelopes: what was signed for something else is not taken, nor are
// envelopes that are meant to wear the device out.
func TestAttackEnvelopes(t *testing.T) {
	t.Parallel()
	c := newCouncil(t)
	good := c.policy(9)
	change := func(f func(*parts)) string { return meddled(t, good, f) }
	many := func(n int) func(*parts) {
		return func(w *parts) {
			for len(w.Signatures) < n {
				w.Signatures = append(w.Signatures, mark{c.stranger.Key().ID(), signature(t, c.stranger, w)})
			}
		}
	}
	newest := c.root(3, 2, c.a, c.b, c.stranger)
	payload, err := newest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := c.besieged(t)
	s.repel(
		assault{"signatures of another document", change(func(w *parts) { w.Payload = []byte(c.words(10)) }), seal.BadSignature},
		assault{"signatures over the bare bytes", change(func(w *parts) {
			for i, k := range c.both() {
				w.Signatures[i].Sig, _ = k.Sign(w.Payload)
			}
		}), seal.BadSignature},
		assault{"a policy signed as a command", c.envelope(seal.CommandType, c.words(9), c.both()...), seal.WrongType},
		assault{"a command as a policy", c.order("c1", "rollback", c.both()...), seal.WrongType},
		assault{"a policy as a root", c.envelope(seal.RootType, c.words(9), c.both()...), seal.Malformed + "/root.threshold"},
		assault{"a root as a policy", c.envelope(seal.PolicyType, string(payload), c.both()...), seal.Malformed + "/payload.channel"},
		assault{"a type nobody knows", meddled(t, good, func(w *parts) { w.Type = "application/json" }), seal.WrongType},
		assault{"17 signatures", change(many(17)), seal.Malformed + "/at most 16"},
		assault{"1,000 signatures", change(many(1000)), seal.TooLarge},
	)
}

// signature is by that key, over what the envelope holds.
func signature(t testing.TB, k *seal.Private, w *parts) []byte {
	t.Helper()
	sig, err := k.Sign(seal.Message(w.Type, w.Payload))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// twisted is the signature with the order of the group added to its second
// half, which is the same number to who does not look closely (RFC 8032, 8.4).
func twisted(sig []byte) []byte {
	order, _ := base64.StdEncoding.DecodeString("7dP1XBpjEljWnPei3vneFAAAAAAAAAAAAAAAAAAAABA=")
	out, carry := bytes.Clone(sig), 0
	for i := range order {
		sum := int(out[ed25519.SignatureSize/2+i]) + int(order[i]) + carry
		out[ed25519.SignatureSize/2+i], carry = byte(sum), sum>>8
	}
	return out
}
