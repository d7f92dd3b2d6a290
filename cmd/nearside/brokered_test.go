package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"nearside/build/port"
	"nearside/cloud/wire"
	"nearside/cmd/fakecloud/fake"
	"nearside/policy/seal"
)

// hub is a broker in this process that lets everybody do everything.
type hub struct {
	t       testing.TB
	address string
	*mochi.Server

	mu    sync.Mutex // guards what follows
	last  map[string][]byte
	heard map[string]int // messages by topic
}

func newHub(t testing.TB) *hub {
	t.Helper()
	address, err := port.Address() // to which it comes back after the tests have closed it
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, address: address, last: map[string][]byte{}, heard: map[string]int{}}
	h.open()
	t.Cleanup(func() { h.Close() })
	return h
}

// open starts the broker, with nothing in it, at its address.
func (h *hub) open() {
	h.t.Helper()
	h.Server = mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := h.AddHook(new(auth.AllowHook), nil); err != nil {
		h.t.Fatal(err)
	}
	if err := h.AddListener(listeners.NewTCP(listeners.Config{ID: "t", Address: h.address})); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Serve(); err != nil {
		h.t.Fatal(err)
	}
	err := h.Subscribe("ns/1/acme/d/#", 1, func(_ *mochi.Client, _ packets.Subscription, p packets.Packet) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.last[p.TopicName] = p.Payload
		h.heard[p.TopicName]++
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) put(topic, text string, retain bool) {
	h.t.Helper()
	if err := h.Publish(topic, []byte(text), retain, 1); err != nil {
		h.t.Fatal(err)
	}
}

// latest is the last message of a topic of the device car-7.
func (h *hub) latest(what string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last["ns/1/acme/d/car-7/"+what]
}

// report is the device's report, when it is as it should be.
func (h *hub) report(ok func(*wire.Status) bool) *wire.Status {
	h.t.Helper()
	var found *wire.Status
	until(h.t, "the report", patience, func() bool {
		r, err := wire.ParseStatus(h.latest("rep"))
		if err != nil && h.latest("rep") != nil {
			h.t.Fatalf("the report cannot be read: %v", err)
		}
		found = r
		return r != nil && ok(r)
	})
	return found
}

// brokered is a daemon that is steered through the hub.
func (o *office) brokered(h *hub, config ...string) *house {
	o.t.Helper()
	d := unstarted(o.t, append(config, strings.Replace(steeredBy, "}", fmt.Sprintf(", ring: early, mqtt: {brokers: [%q]}}", "tcp://"+h.address), 1))...)
	d.write("root.json", o.root())
	d.start()
	return d
}

func (o *office) command(id, do string, life time.Duration) string {
	o.t.Helper()
	c := seal.Command{Tenant: "acme", ID: id, Do: do, Issued: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life)}
	payload, err := c.Encode()
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := seal.Sign(seal.CommandType, payload, o.key)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(b)
}

// TestBrokered: a policy that lies with a broker is in force and reported, one
// that is not taken is reported with its reason, commands are answered once, and
// what happened while the broker was away is told when it is back.
func TestBrokered(t *testing.T) {
	t.Parallel()
	o, hub := newOffice(t), newHub(t)
	good := o.seal(7, ordinary())
	hub.put("ns/1/acme/pol/early", good, true)
	h := o.brokered(hub, noLocal, clouds(newCloud(t, fake.Options{})))
	r := hub.report(func(r *wire.Status) bool { return r.Policy.Version == 7 })
	if r.Policy.State != "probation" || r.Result == nil || !r.Result.OK || r.Result.Digest != r.Policy.Digest || r.Root != 1 || r.Session < 1 || r.Clock.State != "trusted" || r.Ring != "early" {
		t.Errorf("report: %+v, result %+v", r, r.Result)
	}
	h.inForce(7, "probation")
	if b, err := wire.ParseBirth(hub.latest("state")); err != nil || !b.Online || b.Session != r.Session {
		t.Errorf("state: %+v, %v, want session %d online", b, err, r.Session)
	}

	bad := o.seal(8, "version: x")
	hub.put("ns/1/acme/d/car-7/pol", bad, true)
	e, err := seal.Open([]byte(bad))
	if err != nil {
		t.Fatal(err)
	}
	r = hub.report(func(r *wire.Status) bool { return r.Result != nil && !r.Result.OK })
	if r.Result.Reason != "invalid" || r.Result.Digest != seal.Digest(e.Payload) || r.Policy.Version != 7 {
		t.Errorf("report: %+v, result %+v", r, r.Result)
	}
	until(t, "the event", patience, func() bool { return strings.Contains(string(hub.latest("evt")), `"refused"`) })
	if n, err := wire.ParseNotice(hub.latest("evt")); err != nil || n.Kind != "policy" || n.Data["reason"] != "invalid" {
		t.Errorf("event: %+v, %v", n, err)
	}
	obeys(t, o, hub)

	hub.Close()
	h.apply(o.seal(9, ordinary()), 0)
	h.inForce(9, "probation")
	hub.open()
	h.wish(`{"network":{"value":"metered","ttl_s":60}}`) // another network: the wait for the broker is cut short
	hub.report(func(r *wire.Status) bool { return r.Policy.Version == 9 })
}

// obeys gives commands to the device.
func obeys(t *testing.T, o *office, hub *hub) {
	t.Helper()
	answer := func(id string) *wire.Answer {
		t.Helper()
		var a *wire.Answer
		until(t, "the answer to "+id, patience, func() bool {
			var err error
			a, err = wire.ParseAnswer(hub.latest("ack"))
			return err == nil && a.ID == id
		})
		return a
	}
	const to = "ns/1/acme/d/car-7/cmd"
	hub.put(to, o.command("c0", "status", -time.Minute), false)
	hub.put(to, newOffice(t).command("c0", "status", time.Hour), false)
	hub.put(to, o.command("c1", "diagnose", time.Hour), false)
	a := answer("c1")
	for _, field := range []string{"health", "targets", "traffic", "store", "decisions", "policy"} {
		if _, ok := a.Result[field]; !a.OK || !ok {
			t.Errorf("diagnose: no %s in %+v", field, a)
		}
	}
	if text, err := json.Marshal(a); err != nil || strings.Contains(string(text), "what is in force?") {
		t.Errorf("diagnose tells what was asked: %s", text)
	}
	for i, do := range []string{"status", "drain_queue", "refresh", "explode"} {
		id := fmt.Sprint("c", i+2)
		hub.put(to, o.command(id, do, time.Hour), false)
		if a := answer(id); a.OK != (do != "explode") {
			t.Errorf("%s: %+v", do, a)
		}
	}
	again := o.command("c9", "rollback", time.Hour)
	hub.put(to, again, false)
	if a := answer("c9"); !a.OK || a.Result["from"] != 7.0 || a.Result["to"] != 0.0 {
		t.Errorf("rollback: %+v", a)
	}
	hub.report(func(r *wire.Status) bool { return r.Policy.Version == 0 && r.Policy.State == "rolled_back" })
	hub.put(to, again, false)
	until(t, "the second answer", patience, func() bool {
		hub.mu.Lock()
		defer hub.mu.Unlock()
		return hub.heard["ns/1/acme/d/car-7/ack"] >= 7
	})
}
