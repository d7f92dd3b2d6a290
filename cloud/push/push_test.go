package push_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/cloud/push"
	"nearside/cloud/wire"
)

func anything(string) bool { return true }

// TestLink: what lies with the broker comes in, what waits goes out, the state
// says who is there, and a stop says goodbye.
func TestLink(t *testing.T) {
	h := newHub(t, "", nil)
	h.publish(t, "ns/1/acme/pol/blue", "ring policy", true)
	h.publish(t, "ns/1/acme/pol/blue/gate", "ring gate", true)
	h.publish(t, "ns/1/acme/root/2", "root", true)
	h.publish(t, "ns/1/acme/d/car-7/pol/prices", "own prices", true)
	h.publish(t, "ns/1/acme/pol/red", "of another ring", true)
	d := start(t, h.url(), nil)
	got := []string{}
	for range 4 {
		m := next(t, d.in)
		got = append(got, fmt.Sprint(m.Kind, " ", string(m.Body), " ", m.Retained))
	}
	slices.Sort(got)
	if want := []string{"gate ring gate true", "policy ring policy true", "prices own prices true", "root root true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	birth := h.hears(t, "ns/1/acme/d/car-7/state", anything)
	b, err := wire.ParseBirth([]byte(birth))
	if err != nil || !b.Online || b.Session != d.Status().Session || b.Ring != "blue" || b.Agent != "0.1.0" || b.At == nil {
		t.Errorf("birth is %s, %v", birth, err)
	}
	h.publish(t, "ns/1/acme/d/car-7/cmd", "command", false)
	if m := next(t, d.in); m.Kind != "command" || string(m.Body) != "command" || m.Retained {
		t.Errorf("got %+v", m)
	}
	d.out.add("evt", "event")
	d.Wake()
	h.hears(t, "ns/1/acme/d/car-7/evt", func(s string) bool { return s == "event" })
	until(t, "outbox empty", func() bool { return d.out.len() == 0 })
	d.stop()
	h.hears(t, "ns/1/acme/d/car-7/state", func(s string) bool { return strings.Contains(s, `"online":false`) })
}

// TestOptions: what cannot work is refused by the name of the setting.
func TestOptions(t *testing.T) {
	good := func() push.Options {
		return push.Options{Brokers: []string{"tls://broker:8883"}, Tenant: "acme", Device: "car-7", Outbox: &box{}, Deliver: func(context.Context, push.Message) {}}
	}
	for _, c := range []struct {
		change func(*push.Options)
		want   string
	}{
		{func(*push.Options) {}, ""},
		{func(o *push.Options) { o.Brokers = nil }, "brokers"},
		{func(o *push.Options) { o.Device = "a/b" }, "device"},
		{func(o *push.Options) { o.Ring = "#" }, "ring"},
		{func(o *push.Options) { o.Tenant = "" }, "tenant"},
		{func(o *push.Options) { o.TLS.Cert = "x" }, "cert and key"},
		{func(o *push.Options) { o.PasswordFile = "x" }, "give user"},
		{func(o *push.Options) { o.User, o.PasswordFile, o.Brokers = "u", "x", []string{"tcp://10.0.0.1"} }, "readable on the way"},
		{func(o *push.Options) { o.User, o.PasswordFile, o.Brokers = "u", "x", []string{"tcp://127.0.0.1"} }, ""},
		{func(o *push.Options) { o.Brokers = []string{"http://broker"} }, "give tls://"},
		{func(o *push.Options) { o.Brokers = []string{"tls://"} }, "give tls://"},
		{func(o *push.Options) { o.Brokers = []string{"tls://user:secret@broker"} }, "no place in its URL"},
		{func(o *push.Options) { o.Brokers = []string{"tls://broker/path"} }, "only ws and wss"},
		{func(o *push.Options) { o.Brokers = []string{"wss://broker/mqtt"} }, ""},
		{func(o *push.Options) { o.Proxy = "socks5://x" }, "proxy"},
		{func(o *push.Options) { o.Proxy = "none" }, ""},
	} {
		o := good()
		c.change(&o)
		_, err := push.New(o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is told: %v", err)
		}
	}
}

// TestBounds: what is too large or of a topic that is not ours is not
// delivered, and is told; what comes after it is.
func TestBounds(t *testing.T) {
	h := newHub(t, "", nil)
	d := start(t, h.url(), nil)
	d.connected(t)
	h.publish(t, "ns/1/acme/pol/blue", strings.Repeat("x", wire.MaxMessage+1), true)
	if told := next(t, d.told); !strings.HasPrefix(told, "message_too_large") || !strings.Contains(told, "ns/1/acme/pol/blue") {
		t.Errorf("told %q", told)
	}
	h.publish(t, "ns/1/acme/pol/blue", strings.Repeat("x", 10<<20), true)
	until(t, "the huge one is dropped", func() bool { return d.Status().TooLarge == 2 })
	h.publish(t, "ns/1/acme/pol/blue/b c", "x", false)
	if told := next(t, d.told); !strings.HasPrefix(told, "message_not_ours") {
		t.Errorf("told %q", told)
	}
	h.publish(t, "ns/1/acme/pol/blue", "", true) // cleared: nothing to deliver
	h.publish(t, "ns/1/acme/pol/blue", strings.Repeat("y", wire.MaxMessage), true)
	if m := next(t, d.in); len(m.Body) != wire.MaxMessage || m.Body[0] != 'y' {
		t.Errorf("got %d bytes", len(m.Body))
	}
	if s := d.Status(); s.Connections != 1 || s.TooLarge != 2 || s.Foreign != 1 {
		t.Errorf("status is %+v", s)
	}
}

// TestSlowDelivery: while nobody takes what comes in, the newest of each topic
// is kept, commands are kept up to a bound, and what is dropped is counted.
func TestSlowDelivery(t *testing.T) {
	h := newHub(t, "", nil)
	hold, got := make(chan struct{}), make(chan string, 1000)
	d := start(t, h.url(), func(o *push.Options) {
		o.Deliver = func(_ context.Context, m push.Message) { <-hold; got <- string(m.Body) }
	})
	d.connected(t)
	h.publish(t, "ns/1/acme/d/car-7/cmd", "first", false)
	for i := range 100 {
		h.publish(t, "ns/1/acme/pol/blue", fmt.Sprint("policy ", i), true)
	}
	until(t, "older policies replaced", func() bool { return d.Status().Replaced >= 98 })
	for i := range 100 {
		h.publish(t, "ns/1/acme/d/car-7/cmd", fmt.Sprint("command ", i), false)
	}
	until(t, "commands dropped", func() bool { return d.Status().Dropped >= 36 })
	close(hold)
	until(t, "all delivered", func() bool { return d.Status().Received >= 64 })
	policies := 0
	for range len(got) {
		if strings.HasPrefix(<-got, "policy") {
			policies++
		}
	}
	if policies > 2 {
		t.Errorf("%d policies were delivered, want the one before and the newest", policies)
	}
	if told := next(t, d.told); !strings.HasPrefix(told, "messages_dropped") {
		t.Errorf("told %q", told)
	}
}

// TestCommandAgain: a command that the device did not finish looking at comes
// again in the next life.
func TestCommandAgain(t *testing.T) {
	h := newHub(t, "", nil)
	entered := make(chan struct{}, 1)
	first := start(t, h.url(), func(o *push.Options) {
		o.Deliver = func(ctx context.Context, _ push.Message) {
			entered <- struct{}{}
			<-ctx.Done() // as if the power failed now: the connection goes before it returns
			until(t, "gone", func() bool { return len(h.Clients.GetByListener("t")) == 0 })
		}
	})
	first.connected(t)
	h.publish(t, "ns/1/acme/d/car-7/cmd", "status", false)
	next(t, entered)
	first.stop()
	second := start(t, h.url(), nil)
	if m := next(t, second.in); string(m.Body) != "status" {
		t.Errorf("got %+v", m)
	}
}

// TestRefusedTopics: subscriptions that the broker does not want are told with
// a hint, and the link stays.
func TestRefusedTopics(t *testing.T) {
	h := newHub(t, "", &watcher{acl: func(topic string, write bool) bool { return write || !strings.Contains(topic, "/pol") }})
	d := start(t, h.url(), nil)
	told := next(t, d.told)
	if !strings.HasPrefix(told, push.TellRefused) || !strings.Contains(told, "ns/1/acme/pol/blue/+") || !strings.Contains(told, "build/mqtt") {
		t.Errorf("told %q", told)
	}
	d.connected(t)
	if got := d.Status().Refused; len(got) != 4 {
		t.Errorf("refused are %q", got)
	}
	d.out.add("evt", "still heard")
	d.Wake()
	h.hears(t, "ns/1/acme/d/car-7/evt", anything)
}

// TestBrokersInOrder: the second broker is taken while the first is away.
func TestBrokersInOrder(t *testing.T) {
	h := newHub(t, "", nil)
	d := start(t, h.url(), func(o *push.Options) { o.Brokers = []string{"tcp://" + free(t), h.url()} })
	d.connected(t)
	if s := d.Status(); s.Broker != h.url() || s.Attempts != 2 {
		t.Errorf("status is %+v", s)
	}
}

// TestSessionNumber: it grows with each connection, is what birth and will
// carry, and is raised above what lies with the broker.
func TestSessionNumber(t *testing.T) {
	h := newHub(t, "", nil)
	h.publish(t, "ns/1/acme/d/car-7/state", `{"session":41,"online":true,"by":"OLDER"}`, true)
	var last int64
	d := start(t, h.url(), func(o *push.Options) {
		o.Session = func(_ context.Context, least int64) (int64, error) { last = max(last+1, least); return last, nil }
	})
	h.hears(t, "ns/1/acme/d/car-7/state", func(s string) bool { return strings.Contains(s, `"session":42,"online":true`) })
	until(t, "connected again", func() bool { s := d.Status(); return s.Connected && s.Session == 42 })
	for _, cl := range h.Clients.GetByListener("t") {
		cl.Stop(errors.New("lost"))
	}
	var gone, back bool // in either order: the will may come late
	h.hears(t, "ns/1/acme/d/car-7/state", func(s string) bool {
		gone = gone || strings.Contains(s, `"session":42,"online":false`)
		back = back || strings.Contains(s, `"session":43,"online":true`)
		return gone && back
	})
	if s := d.Status(); s.TakenOver != 0 {
		t.Errorf("status is %+v: our own earlier process is no thief", s)
	}
}

// TestHungBroker: an attempt ends within its limit wherever a broker stops to
// answer, and so does Run.
func TestHungBroker(t *testing.T) {
	for name, url := range map[string]string{"accepts only": silent(t, ""), "half a welcome": silent(t, "\x20\x02\x00"), "no answer to subscriptions": silent(t, "\x20\x02\x00\x00")} {
		for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				pace := quick
				pace.Connect = 200 * time.Millisecond
				d := start(t, scheme+"://"+url, func(o *push.Options) { o.Pace = pace })
				until(t, "a second attempt", func() bool { return d.Status().Attempts >= 2 })
				if s := d.Status(); s.LastError == "" || s.Connected {
					t.Errorf("status is %+v", s)
				}
				begun := time.Now()
				d.stop()
				if took := time.Since(begun); took > patience/2 {
					t.Errorf("the stop took %s", took)
				}
			})
		}
	}
}

// TestHostileBroker: packets that would make the client panic or take all
// memory end the connection with a reason.
func TestHostileBroker(t *testing.T) {
	const welcome = "\x20\x02\x00\x00"
	for name, c := range map[string]struct{ says, want string }{
		"too many codes":      {welcome + "\x90\x0a\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01", "has 10 bytes, want 9"},
		"a huge answer":       {welcome + "\x90\xff\xff\xff\x7f", "type 9"},
		"endless length":      {welcome + "\x90\xff\xff\xff\xff\x7f", "length of more than 4 bytes"},
		"unknown code":        {"\x20\x02\x00\x09", "unknown answer 9"},
		"refused":             {"\x20\x02\x00\x05", "refuses this device"},
		"no welcome":          {"\x90\x03\x00\x01\x01", "no place here"},
		"exactly once":        {welcome + "\x34\x05\x00\x01a\x00\x01", "quality 2"},
		"a connection to us":  {welcome + "\x10\x00", "no place here"},
		"a second welcome":    {welcome + welcome, "no place here"},
		"a publication first": {"\x30\x03\x00\x01a", "no place here"},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, "tcp://"+silent(t, c.says), nil)
			until(t, "an error", func() bool { return d.Status().LastError != "" })
			if got := d.Status().LastError; !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
