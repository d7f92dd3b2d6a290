package simulate_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"go.uber.org/goleak"

	"nearside/cloud/fleet/simulate"
	"nearside/cloud/push"
	"nearside/policy"
	"nearside/policy/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const devices = 30

// document is a policy in few words: careful ones hold local answers to a
// confidence and send the rest to the cloud, others take whatever the device
// says.
func document(text string) (*policy.Document, error) {
	d := &policy.Document{
		Services: map[string]policy.Service{policy.Chat: {Ladder: policy.Rungs(), Fresh: "never", Commit: policy.Commit{Local: "after_check", Cloud: "first_token"}}},
		Weights:  policy.Weights{Quality: 1, Near: 1},
		Quality:  policy.Quality{Local: map[string]float64{"default": 0.7}, Cloud: map[string]float64{"default": 0.9}},
		Limits:   policy.Limits{DeadlineMS: 60_000, AttemptMS: 10_000, SilenceMS: 30_000},
	}
	switch text {
	case "careful":
		d.Check.Confidence = map[string]float64{"default": 0.3}
	case "careless":
		d.Check.Confidence = map[string]float64{"default": 0}
		d.Rules = []policy.Rule{{Name: "never", Then: policy.Effect{Deny: []string{"cloud"}}}}
	default:
		return nil, &seal.Refusal{Reason: "invalid", Detail: text}
	}
	return d, nil
}

// broker is a broker in this process, with what it retains given by publish.
func broker(t *testing.T) (url string, publish func(topic string, body []byte)) {
	t.Helper()
	s := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(listeners.NewNet("t", l)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve() }()
	t.Cleanup(func() { _ = s.Close() })
	return "tcp://" + l.Addr().String(), func(topic string, body []byte) {
		if err := s.Publish(topic, body, true, 1); err != nil {
			t.Error(err)
		}
	}
}

// fleet runs devices that trust the signer.
func fleet(t *testing.T, url string, key *seal.Private) *simulate.Fleet {
	t.Helper()
	root := &seal.Root{Version: 1, Threshold: 1, Keys: []seal.Key{key.Key()}}
	payload, err := root.Encode()
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := seal.Sign(seal.RootType, payload)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := document("careful")
	f, err := simulate.New(simulate.Options{
		Devices: devices, Prefix: "sim", Tenant: "acme", Channel: "stable", Root: envelope, Read: document, Own: own, Rate: 20, Built: time.Now(),
		Rings: []simulate.Ring{{Name: "canary", Share: 0.1}, {Name: "all"}}, Link: push.Options{Brokers: []string{url}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return f
}

func signed(t *testing.T, key *seal.Private, version int64, body string) []byte {
	t.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: time.Now(), Kind: seal.KindPolicy, Body: body}
	payload, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := seal.Sign(seal.PolicyType, payload, key)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// until waits for the devices to be in these states.
func until(t *testing.T, f *simulate.Fleet, want map[string]int) {
	t.Helper()
	wait(t, f, func(n simulate.Counts) bool { return n.Connected == devices && maps.Equal(n.States, want) })
}

func wait(t *testing.T, f *simulate.Fleet, holds func(simulate.Counts) bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); ; {
		n := f.Count()
		if holds(n) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%+v", n)
		}
	}
}

// Devices take a good policy of their ring, roll a careless one back, and refuse
// what cannot be read.
func TestFleet(t *testing.T) {
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	url, publish := broker(t)
	f := fleet(t, url, key)
	until(t, f, map[string]int{"0 factory": devices})
	wait(t, f, func(n simulate.Counts) bool { return n.Asks > 50*devices }) // there is a time before to compare with
	publish("ns/1/acme/pol/canary", signed(t, key, 1, "careful"))
	until(t, f, map[string]int{"1 probation": devices / 10, "0 factory": devices - devices/10})
	publish("ns/1/acme/pol/all", signed(t, key, 2, "careless"))
	until(t, f, map[string]int{"1 probation": devices / 10, "0 rolled_back": devices - devices/10})
	publish("ns/1/acme/pol/all", signed(t, key, 3, "nonsense"))
	wait(t, f, func(n simulate.Counts) bool { return n.Refusals["invalid"] == devices-devices/10 })
}

func TestOptions(t *testing.T) {
	f := func(change func(*simulate.Options)) {
		t.Helper()
		o := simulate.Options{Devices: 1, Rings: []simulate.Ring{{Name: "all"}}, Read: document, Own: &policy.Document{}}
		change(&o)
		if _, err := simulate.New(o); err == nil {
			t.Error("these options should be refused")
		}
	}
	f(func(o *simulate.Options) { o.Devices = 0 })
	f(func(o *simulate.Options) { o.Rings = nil })
	f(func(o *simulate.Options) { o.Read = nil })
	f(func(*simulate.Options) {}) // no root
}
