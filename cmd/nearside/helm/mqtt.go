package helm

import (
	"context"
	"net/netip"
	"time"

	"nearside/agent/server/steering"
	"nearside/cloud/network"
	"nearside/cloud/push"
	"nearside/cmd/nearside/late"
	"nearside/policy/seal"
)

// Keep-alives of a connection to a broker.
const (
	usualAlive  = 5 * time.Minute
	frugalAlive = 15 * time.Minute // on a battery that is low, or where bytes cost
)

// mqtt is the link to the brokers of the config.
type mqtt struct{ *push.Link }

func (w *watch) mqtt() (*mqtt, error) {
	m, r, out := w.by.MQTT, w.by, w.helm.o.Store.Outbox()
	o := push.Options{
		Brokers: m.Brokers, ClientID: m.ClientID, Tenant: r.Tenant, Ring: r.Ring, Device: r.Device, Agent: w.helm.o.Agent,
		TLS: push.TLS{CA: m.CA, Cert: m.Cert, Key: m.Key}, User: m.User, Proxy: m.Proxy, KeepAlive: w.keepAlive, Reachable: w.leads,
		Outbox: out, Deliver: w.deliver, Session: out.Session, Tell: w.linkTold, Log: w.helm.o.Log,
	}
	if !m.Password.IsZero() {
		o.Password = m.Password.Resolve
	}
	l, err := push.New(o)
	if err != nil {
		return nil, err
	}
	return &mqtt{l}, nil
}

// leads tells whether there may be a way to a host: not where no link is up, or
// the host app says that there is none.
func (w *watch) leads(host string) bool {
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return true
	}
	c := w.helm.o.Device.Look().Connectivity
	return c.State != network.Offline || c.Source != network.ByLink && c.Source != network.ByHost
}

func (w *watch) keepAlive() time.Duration {
	switch {
	case w.by.MQTT.KeepAlive > 0:
		return w.by.MQTT.KeepAlive
	case w.helm.o.Device.Frugal():
		return frugalAlive
	}
	return usualAlive
}

func (m *mqtt) stand() *steering.Broker {
	s := m.Status()
	return &steering.Broker{
		Connected: s.Connected, Broker: word(s.Broker), Since: when(s.Since), LastError: word(s.LastError), NextTry: when(s.NextTry),
		Session: s.Session, Attempts: s.Attempts, Received: s.Received, Sent: s.Sent, Untrusted: s.Untrusted, Dropped: s.TooLarge + s.Foreign + s.Dropped,
	}
}

// deliver takes what a broker brings.
func (w *watch) deliver(ctx context.Context, m push.Message) {
	if m.Kind == "command" {
		w.command(ctx, m.Body)
		return
	}
	if _, err := w.offer(ctx, m.Body, byMQTT); err != nil && seal.Reason(err) == "" {
		w.helm.o.Log.Warn("a document was not taken", "from", byMQTT, "err", err)
	}
}

// notes is the store's outbox.
type notes struct{ late.Outbox }

func (o notes) add(ctx context.Context, n note) error {
	return o.Add(ctx, push.Note{Topic: n.topic, Key: n.key, Retain: n.retain, Body: n.body})
}

func (o notes) stand() steering.Outbox {
	depth, dropped := o.Held()
	return steering.Outbox{Notes: depth, Dropped: dropped}
}
