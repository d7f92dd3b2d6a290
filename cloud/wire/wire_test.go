package wire_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/cloud/wire"
)

// TestTopics: each topic is what its parts make, and is taken apart into them.
func TestTopics(t *testing.T) {
	for topic, want := range map[string]wire.Topic{
		"ns/1/acme/pol/blue":            {What: wire.Policy, Ring: "blue", Kind: "policy"},
		"ns/1/acme/pol/blue/gate":       {What: wire.Policy, Ring: "blue", Kind: "gate"},
		"ns/1/acme/root/2":              {What: wire.Root, Version: 2},
		"ns/1/acme/d/car-7/pol":         {What: wire.Policy, Device: "car-7", Kind: "policy"},
		"ns/1/acme/d/car-7/pol/prices":  {What: wire.Policy, Device: "car-7", Kind: "prices"},
		"ns/1/acme/d/car-7/state":       {What: wire.State, Device: "car-7"},
		"ns/1/acme/d/car-7/rep":         {What: wire.Report, Device: "car-7"},
		"ns/1/acme/d/car-7/evt":         {What: wire.Event, Device: "car-7"},
		"ns/1/acme/d/car-7/cmd":         {What: wire.Command, Device: "car-7"},
		"ns/1/acme/d/car-7/ack":         {What: wire.Ack, Device: "car-7"},
		"ns/1/acme/rollout/r.1":         {What: wire.Rollout, Rollout: "r.1"},
		"ns/1/acme/rollout/r.1/order":   {What: wire.Order, Rollout: "r.1"},
		"ns/1/acme/rollout/order/order": {What: wire.Order, Rollout: "order"},
	} {
		want.Tenant = "acme"
		got, err := wire.ParseTopic(topic)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", topic, got, err, want)
		}
		if got.String() != topic {
			t.Errorf("%s: its parts make %s", topic, got)
		}
	}
}

func TestForeignTopics(t *testing.T) {
	for _, topic := range []string{
		"", "ns", "ns/1", "ns/1/acme", "ns/1/acme/", "ns/2/acme/pol/blue", "ns/1/acme/pol", "ns/1/acme/pol/", "ns/1/acme/pol/blue/gate/more",
		"ns/1/acme/pol/blue/policy", "ns/1/acme/root/0", "ns/1/acme/root/01", "ns/1/acme/root/-1", "ns/1/acme/root/9007199254740992", "ns/1/acme/root/x",
		"ns/1/acme/d/car/rep/x", "ns/1/acme/d/car/other", "ns/1/acme/d/car", "ns/1/acme/d/../rep", "ns/1/acme/rollout/a/b", "ns/1/a b/pol/blue",
		"ns/1/acme/pol/+", "ns/1/acme/#", "/ns/1/acme/pol/blue", "$SYS/broker", "ns/1/acme/pol/" + strings.Repeat("x", 65), strings.Repeat("ns/1/", 1000),
	} {
		if got, err := wire.ParseTopic(topic); err == nil && topic != "ns/1/acme/d/../rep" {
			t.Errorf("%.80q is read as %+v", topic, got)
		}
	}
}

// TestNames: a name is one level of a topic, of a filter too.
func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "car-7": true, "A.b_c": true, strings.Repeat("x", 64): true,
		"": false, "+": false, "#": false, "a/b": false, "a b": false, "é": false, "a\x00": false, "a\n": false, strings.Repeat("x", 65): false,
	} {
		err := wire.CheckName("remote.ring", name)
		if (err == nil) != want {
			t.Errorf("%.80q: %v, want %v", name, err, want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "remote.ring") {
			t.Errorf("the error does not name the field: %v", err)
		}
	}
}

// TestForms: what is told is read again as it was.
func TestForms(t *testing.T) {
	at, share := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), 0.5
	again(t, wire.ParseBirth, wire.Birth{Session: 4, Online: true, At: &at, Agent: "0.1.0", Ring: "blue", By: "MFRGGZDF"})
	again(t, wire.ParseBirth, wire.Birth{Session: 4})
	again(t, wire.ParseNotice, wire.Notice{ID: "e1", At: at, Kind: "rolled_back", Data: map[string]any{"version": 7.0}})
	again(t, wire.ParseAnswer, wire.Answer{ID: "c1", Device: "car-7", Error: "expired"})
	again(t, wire.ParseStatus, wire.Status{
		Device: "car-7", Ring: "blue", Agent: "0.1.0", Session: 4, Seq: 9, At: at,
		Policy: wire.Applied{Version: 7, Epoch: 1, Digest: "ab", State: "confirmed"},
		Kinds:  []wire.Applied{{Kind: "gate", Version: 2, State: "confirmed"}},
		Result: &wire.Result{Version: 8, Digest: "cd", Reason: "harmful_replay", Detail: "too dear", Evidence: []string{"cost x 100"}},
		Root:   1, Clock: wire.Clock{State: "trusted", Time: &at}, Queue: wire.Queue{Depth: 3, Dropped: 1},
		Health:  []wire.Health{{Name: "store", Severity: "warn"}},
		Traffic: wire.Traffic{Asks: 10, Errors: 1, LocalShare: &share}, Uptime: 60,
	})
}

func again[T any](t *testing.T, parse func([]byte) (*T, error), form T) {
	t.Helper()
	text, err := json.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(text)
	if err != nil || !reflect.DeepEqual(*got, form) {
		t.Errorf("%s: got %+v, %v", text, got, err)
	}
}

// TestRefused: what is out of bounds is refused by the name of its field.
func TestRefused(t *testing.T) {
	status := func(b []byte) error { _, err := wire.ParseStatus(b); return err }
	birth := func(b []byte) error { _, err := wire.ParseBirth(b); return err }
	notice := func(b []byte) error { _, err := wire.ParseNotice(b); return err }
	answer := func(b []byte) error { _, err := wire.ParseAnswer(b); return err }
	for _, c := range []struct {
		parse      func([]byte) error
		text, want string
	}{
		{birth, `{"session":-1}`, "state: session"},
		{birth, `{"session":"4"}`, "state: session: want int64, found string"},
		{birth, `{"session":1,"ring":"a/b"}`, "state: ring"},
		{birth, `null`, "state: want an object"},
		{birth, ``, "state: unexpected end"},
		{birth, `{} {}`, "state: invalid character"},
		{birth, "{\"ring\":\"\xff\"}", "state: not UTF-8"},
		{status, `{}`, "report: device: is missing"},
		{status, `{"device":"a","agent":"\u001b[2J"}`, "report: agent"},
		{status, `{"device":"a","traffic":{"local_share":2}}`, "report: traffic.local_share"},
		{status, `{"device":"a","health":[` + strings.Repeat(`{},`, 64) + `{}]}`, "report: health: 65 entries"},
		{status, `{"device":"a","result":{"detail":"` + strings.Repeat("x", 1025) + `"}}`, "report: result.detail"},
		{status, `{"device":"a","policy":{"kind":"a b"}}`, "policy.kind"},
		{status, `{"device":"a","at":"1066-01-01T00:00:00Z"}`, "report: at"},
		{status, strings.Repeat(" ", wire.MaxMessage+1), "report: 69633 bytes"},
		{notice, `{"kind":"x"}`, "event: id: is missing"},
		{notice, `{"id":"x"}`, "event: kind: is missing"},
		{answer, `{"id":"x"}`, "ack: device: is missing"},
		{answer, `{"id":"x","device":"a","error":"\u0007"}`, "ack: error"},
	} {
		if err := c.parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %q", c.text, err, c.want)
		}
	}
}

// TestNewerDevice: a field that is not known yet is no fault.
func TestNewerDevice(t *testing.T) {
	b, err := wire.ParseBirth([]byte(`{"session":3,"online":true,"colour":"red"}`))
	if err != nil || b.Session != 3 || !b.Online {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestFilters(t *testing.T) {
	got := wire.DeviceFilters("acme", "blue", "car-7")
	want := []string{"ns/1/acme/root/+", "ns/1/acme/d/car-7/pol", "ns/1/acme/d/car-7/pol/+", "ns/1/acme/d/car-7/cmd", "ns/1/acme/pol/blue", "ns/1/acme/pol/blue/+"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzTopic(f *testing.F) {
	f.Add("ns/1/acme/pol/blue/gate")
	f.Add("ns/1/acme/d/car-7/pol")
	f.Fuzz(func(t *testing.T, s string) {
		if topic, err := wire.ParseTopic(s); err == nil && topic.String() != s {
			t.Errorf("%q is read as %+v, which is %q", s, topic, topic)
		}
	})
}

// FuzzForms: whatever comes, what is let through can be told again.
func FuzzForms(f *testing.F) {
	f.Add([]byte(`{"device":"a","id":"x","kind":"k","session":1,"at":"2026-11-22T12:00:00Z","traffic":{"local_share":0.5}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if birth, err := wire.ParseBirth(b); err == nil {
			again(t, wire.ParseBirth, *birth)
		}
		if answer, err := wire.ParseAnswer(b); err == nil && len(answer.Result) > 0 {
			again(t, wire.ParseAnswer, *answer)
		}
		for _, parse := range []func([]byte) error{
			func(b []byte) error { _, err := wire.ParseStatus(b); return err },
			func(b []byte) error { _, err := wire.ParseNotice(b); return err },
		} {
			if err := parse(b); err == nil && !json.Valid(b) {
				t.Errorf("%q passed", b)
			}
		}
	})
}
