package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/policy/gate"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// depot serves what it is told to over TLS, and remembers who asked for what.
type depot struct {
	*httptest.Server
	page  atomic.Pointer[http.HandlerFunc] // of the address that devices pull from
	files atomic.Pointer[http.HandlerFunc] // of all others
	asked atomic.Pointer[string]           // the latest of them
}

func newDepot(t *testing.T, by *notary) *depot {
	t.Helper()
	d := &depot{}
	d.page.Store(new(http.HandlerFunc(http.NotFound)))
	d.files.Store(new(http.HandlerFunc(http.NotFound)))
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/policy" {
			(*d.page.Load())(w, r)
			return
		}
		d.asked.Store(&r.URL.Path)
		(*d.files.Load())(w, r)
	}))
	d.TLS = by.server("127.0.0.1")
	d.StartTLS()
	t.Cleanup(d.Close)
	return d
}

func says(text string) *http.HandlerFunc {
	return new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
}

func leads(to string) *http.HandlerFunc {
	return new(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }))
}

// TestAttackPull: an address that was taken over, and files that a document
// names, have nothing taken but what was signed.
func TestAttackPull(t *testing.T) {
	t.Parallel()
	c, hub, ours := newCouncil(t), newHub(t), newNotary(t)
	d, elsewhere := newDepot(t, ours), newDepot(t, ours)
	s := c.unsteered(t, fmt.Sprintf("mqtt: {brokers: [%q]}, pull: {url: %q, ca: ca.pem}", "tcp://"+hub.address, d.URL+"/policy"))
	s.write("ca.pem", ours.pem())
	s.start()
	s.settle()
	n := 0
	pull := func() {
		n++
		hub.put("ns/1/acme/d/car-7/cmd", c.order(fmt.Sprint("pull", n), "refresh", c.both()...), false)
	}
	for _, a := range []assault{
		{"pulled from a stranger", c.envelope(seal.PolicyType, c.words(9), c.stranger), seal.UnknownKey},
		{"pulled and older", `{"envelopes":[` + c.policy(6) + `]}`, seal.OlderVersion},
		{"pulled for another tenant", c.policy(9, `"acme"`, `"acme2"`), seal.OtherTenant},
	} {
		t.Run(a.name, func(t *testing.T) {
			s.repels(t, a.why, func() {
				d.page.Store(says(a.bytes)) // not before: a pull of the start may be late
				pull()
			})
		})
	}
	elsewhere.page.Store(says(c.policy(9)))
	before := s.standing()
	for words, page := range map[string]*http.HandlerFunc{"redirects are not followed": leads(elsewhere.URL + "/policy"), "larger than": says(strings.Repeat("{", 1<<20))} {
		d.page.Store(page)
		pull()
		until(t, words, patience, func() bool {
			p := s.status().Remote.Pull
			return p.LastError != nil && strings.Contains(*p.LastError, words)
		})
		s.unmoved(t, before)
	}
	d.page.Store(says(c.policy(8)))
	pull()
	until(t, "the good one is taken", patience, func() bool { return s.standing().Version == 8 })
	s.inForce(8, "probation")
	s.named(t, d, elsewhere)
}

// named has a gate whose file is at an address that the document names: what
// another address has, or other bytes, is not taken.
func (s *siege) named(t *testing.T, d, elsewhere *depot) {
	t.Helper()
	var examples []gate.Example
	for i := range 30 {
		examples = append(examples, gate.Example{Text: fmt.Sprint("play song ", i), Label: "music"}, gate.Example{Text: fmt.Sprint("drive to street ", i), Label: "navigation"})
	}
	g, _, err := gate.Train(examples, gate.Options{})
	must(t, "train a gate", err)
	encoded, err := g.Encode()
	must(t, "encode a gate", err)
	document := func(version int64, name, file string) string {
		sum := sha256.Sum256([]byte(file))
		p := seal.Payload{
			Tenant: "acme", Channel: "stable", Version: version, Issued: time.Now(), Kind: seal.KindGate,
			Files: []seal.File{{Name: "shop.gate", URL: d.URL + "/" + name, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(file))}},
		}
		payload, err := p.Encode()
		must(t, "write the document", err)
		return s.envelope(seal.PolicyType, string(payload), s.both()...)
	}
	for i, a := range []struct {
		name  string
		files *http.HandlerFunc
	}{
		{"URL that leads elsewhere", leads(elsewhere.URL + "/shop.gate")},
		{"URL that leads to plain http", leads("http://" + strings.TrimPrefix(elsewhere.URL, "https://") + "/shop.gate")},
		{"swapped bytes at the URL", says("CONTENT2")},
		{"more bytes at the URL", says("contents3")},
	} {
		t.Run(a.name, func(t *testing.T) {
			name, file := fmt.Sprint("file", i), fmt.Sprint("content", i) // another each time, or it would be tried again only later
			d.files.Store(a.files)
			elsewhere.files.Store(says(file))
			s.repels(t, trial.WaitsForFiles, func() { s.apply(document(int64(i+1), name, file), 3) })
			until(t, "it is asked for", patience, func() bool { at := d.asked.Load(); return at != nil && *at == "/"+name })
			if at := elsewhere.asked.Load(); at != nil || len(s.standing().Kinds) > 0 {
				t.Errorf("an address that nobody signed was asked for %v, in force is %+v", at, s.standing().Kinds)
			}
		})
	}
	d.files.Store(says(string(encoded)))
	s.apply(document(9, "right", string(encoded)), 3)
	until(t, "the right bytes are in force", patience, func() bool { return len(s.standing().Kinds) == 1 })
}
