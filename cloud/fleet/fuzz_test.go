package fleet_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
)

// FuzzTake: no message makes a view panic, and nothing that it tells of faults
// could be obeyed by a terminal.
func FuzzTake(f *testing.F) {
	c := candidate(f, 7)
	f.Add("ns/1/acme/pol/all", c.Envelope)
	f.Add("ns/1/acme/d/cam/pol/gate", c.Envelope)
	f.Add("ns/1/acme/d/cam/state", []byte(`{"session":1,"online":true,"ring":"all"}`))
	f.Add("ns/1/acme/d/cam/rep", []byte(`{"device":"cam","policy":{"version":7,"state":"confirmed"},"result":{"ok":false,"reason":"harm"}}`))
	f.Add("ns/1/acme/d/cam/evt", []byte(`{"id":"1","kind":"k"}`))
	f.Add("ns/1/acme/d/cam/ack", []byte(`{"id":"1","device":"cam"}`))
	f.Add("ns/1/acme/rollout/r/order", []byte(`{"id":"1","do":"abort","by":"x","at":"2026-01-01T00:00:00Z"}`))
	f.Add("ns/1/acme/root/1", []byte(`{}`))
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		v := fleet.NewView("acme", nil)
		v.Await("1")
		for range 2 {
			v.Take(topic, body, false, time.Now())
			v.Take(topic, nil, true, time.Now())
		}
		v.Take(topic, body, true, time.Now())
		r := stages.Rollout{ID: "r", Kind: "policy", Version: 7, Stages: []stages.Stage{{Rings: []string{"all"}, Share: 100}}, State: stages.Running}
		r.Next(v.Fleet(&r, time.Now()))
		for _, d := range v.Devices() {
			if strings.ContainsFunc(d.ID+d.Ring()+d.Fault()+d.Claims, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q of ring %q, %q, cannot be printed", d.ID, d.Ring(), d.Fault())
			}
		}
		for _, p := range v.Published() {
			if strings.ContainsFunc(p.Fault, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q cannot be printed", p.Fault)
			}
		}
	})
}

// TestPrintable: what a terminal would obey is not shown, and cuts are at whole
// characters.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":          "plain",
		"\x1b[2J\x07":    "?[2J?",
		"a\u202eb\u009b": "a?b?",
		"\xff\xfe":       "?",
		"ääääää":         "äää...",
	} {
		if got := fleet.Printable(in, 7); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
