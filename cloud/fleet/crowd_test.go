package fleet_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cloud/fleet/stages"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// startBroker is a broker in this process that lets everybody do everything.
func startBroker(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, h := range []mochi.Hook{new(auth.AllowHook), new(turns)} {
		if err := s.AddHook(h, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddListener(listeners.NewNet("t", l)); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return "tcp://" + l.Addr().String()
}

// turns lets the broker work on one message or subscription at a time: while it
// scans what is retained for a subscriber it must not be given more to retain,
// which mochi v2.7.9 does without a lock.
type turns struct {
	mochi.HookBase
	mu sync.Mutex // held from the reading of a packet until it was processed
}

func (*turns) ID() string           { return "turns" }
func (*turns) Provides(b byte) bool { return b == mochi.OnPacketRead || b == mochi.OnPacketProcessed }

func inTurn(pk packets.Packet) bool {
	return pk.FixedHeader.Type == packets.Publish || pk.FixedHeader.Type == packets.Subscribe
}

func (h *turns) OnPacketRead(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if inTurn(pk) {
		h.mu.Lock()
	}
	return pk, nil
}

func (h *turns) OnPacketProcessed(_ *mochi.Client, pk packets.Packet, _ error) {
	if inTurn(pk) {
		h.mu.Unlock()
	}
}

// crowd are light devices behind one connection. How one takes a document is in
// acts: good, refuses, silent, offline.
type crowd struct {
	t       testing.TB
	session *broker.Session

	mu   sync.Mutex // guards acts and seen
	acts map[string]string
	ring map[string]string
	seen map[string]bool // device@version that was offered
}

func newCrowd(t testing.TB, url string) *crowd {
	t.Helper()
	c := &crowd{t: t, acts: map[string]string{}, ring: map[string]string{}, seen: map[string]bool{}}
	inbox := make(chan [2]string, 100_000)
	s, err := broker.Dial(t.Context(), broker.Options{URL: url}, func(topic string, body []byte, _ bool) { inbox <- [2]string{topic, string(body)} })
	if err != nil {
		t.Fatal(err)
	}
	c.session = s
	if err := s.Subscribe(t.Context(), "ns/1/acme/pol/#", "ns/1/acme/d/+/pol/#", "ns/1/acme/d/+/cmd"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case m := <-inbox:
				c.take(ctx, m[0], []byte(m[1]))
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait(); s.Close() })
	return c
}

// join adds n devices to a ring.
func (c *crowd) join(ring string, n int, act string) {
	c.t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%03d", ring, i)
		c.set(id, ring, act)
		c.tell(context.Background(), id, wire.State, wire.Birth{Session: 1, Online: act != "offline", Ring: ring})
		c.tell(context.Background(), id, wire.Report, c.status(id, 0, "", "factory", nil))
	}
}

func (c *crowd) set(id, ring, act string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acts[id], c.ring[id] = act, ring
}

func (c *crowd) status(id string, version int64, digest, state string, r *wire.Result) wire.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wire.Status{
		Device: id, Ring: c.ring[id], Agent: "1.0.0", Session: 1, Seq: 1, At: time.Now(), Result: r,
		Policy: wire.Applied{Version: version, Digest: digest, State: state}, Clock: wire.Clock{State: "trusted"},
	}
}

func (c *crowd) tell(ctx context.Context, id string, what wire.What, v any) {
	body, err := json.Marshal(v)
	if err == nil {
		err = c.session.Publish(ctx, wire.Topic{Tenant: "acme", What: what, Device: id}.String(), body, what != wire.Ack)
	}
	if err != nil && ctx.Err() == nil {
		c.t.Error(err)
	}
}

// take has the devices that a message is for do what they do.
func (c *crowd) take(ctx context.Context, topic string, body []byte) {
	to, err := wire.ParseTopic(topic)
	if err != nil || len(body) == 0 {
		return
	}
	c.mu.Lock()
	var ids []string
	for id, ring := range c.ring {
		if c.acts[id] != "offline" && (to.Device == id || to.Device == "" && to.Ring == ring) {
			ids = append(ids, id)
		}
	}
	c.mu.Unlock()
	for _, id := range ids {
		if to.What == wire.Command {
			c.obey(ctx, id, body)
		} else {
			c.offered(ctx, id, body)
		}
	}
}

func (c *crowd) offered(ctx context.Context, id string, body []byte) {
	e, err := seal.Open(body)
	if err != nil {
		return // a stranger's
	}
	p, err := seal.ParsePayload(e.Payload)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.mu.Lock()
	act := c.acts[id]
	c.seen[fmt.Sprint(id, "@", p.Version)] = true
	c.mu.Unlock()
	digest := seal.Digest(e.Payload)
	switch act {
	case "good":
		c.tell(ctx, id, wire.Report, c.status(id, p.Version, digest, "confirmed", &wire.Result{Digest: digest, Version: p.Version, OK: true}))
	case "refuses":
		c.tell(ctx, id, wire.Report, c.status(id, 0, "", "factory", &wire.Result{Digest: digest, Version: p.Version, Reason: "harmful_replay", Detail: "cost up 100 times"}))
	}
}

func (c *crowd) obey(ctx context.Context, id string, body []byte) {
	var command seal.Command
	e, err := seal.Open(body)
	if err == nil {
		err = json.Unmarshal(e.Payload, &struct {
			ID *string `json:"id"`
			Do *string `json:"do"`
		}{&command.ID, &command.Do})
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	c.tell(ctx, id, wire.Ack, wire.Answer{ID: command.ID, Device: id, OK: true, Result: map[string]any{"did": command.Do}})
}

// offeredTo counts the devices that have seen a version.
func (c *crowd) offeredTo(version int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for id := range c.ring {
		if c.seen[fmt.Sprint(id, "@", version)] {
			n++
		}
	}
	return n
}

// open is an operator's session.
func open(t testing.TB, url string) *fleet.Fleet {
	t.Helper()
	f, err := fleet.Open(t.Context(), fleet.Options{Broker: broker.Options{URL: url}, Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func signer(t testing.TB) seal.Signer {
	t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// candidate is a signed policy of that version.
func candidate(t testing.TB, version int64) *fleet.Candidate {
	t.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: time.Now(), Kind: "policy", Body: fmt.Sprintf("version: %d\n", version)}
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := seal.Sign(seal.PolicyType, text, signer(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := fleet.OpenCandidate(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var quick = stages.Limits{AbortShare: .05, AbortMin: 3, TimeoutMS: 20_000, SoakMS: 1, Until: stages.UntilConfirmed}

func signers(t testing.TB) []seal.Signer { return []seal.Signer{signer(t)} }
