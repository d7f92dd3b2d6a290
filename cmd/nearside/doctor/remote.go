package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nearside/agent/config/remote"
	"nearside/agent/config/strict"
	"nearside/agent/server/steering"
	"nearside/policy/seal"
)

// checkRemote tells whether this device can be steered as its config says: its
// root, the time, the folder of the record, each broker.
func checkRemote(ctx context.Context, p *Patient) []Finding {
	r := p.Config.Remote
	if !r.On() {
		return []Finding{ok("nobody steers this device: there is no remote.root")}
	}
	all := []Finding{root(r, p.Now), believed(p)}
	all = append(all, recordFolder(p)...)
	if r.MQTT == nil {
		return all
	}
	for _, b := range r.MQTT.Brokers {
		all = append(all, broker(ctx, p, b))
	}
	return all
}

// root judges the file that says whose signatures count.
func root(r *remote.Remote, now time.Time) Finding {
	const hint = "put the root document of the fleet there (nearside fleet root), for the daemon's user, then run: nearside config reload"
	text, err := strict.ReadFile(r.Root, seal.MaxBytes)
	if err != nil {
		return fail("remote.root cannot be read: "+err.Error(), hint)
	}
	doc, err := seal.ParseRoot(text)
	switch {
	case err != nil:
		return fail("remote.root "+r.Root+" is no root document: "+err.Error(), hint)
	case doc.Tenant != "" && doc.Tenant != r.Tenant:
		return fail(fmt.Sprintf("remote.root is for tenant %q, remote.tenant is %q", doc.Tenant, r.Tenant), "correct one of them")
	case !doc.Expires.IsZero() && !now.Before(doc.Expires):
		return fail("remote.root ended on "+doc.Expires.UTC().Format(time.DateOnly)+": nothing new is taken", hint)
	case !doc.Expires.IsZero() && doc.Expires.Sub(now) < soon:
		return warn("remote.root ends on "+doc.Expires.UTC().Format(time.DateOnly), "sign a newer one (nearside fleet root --previous) and push it")
	}
	return ok(fmt.Sprintf("root %d: %d of %d keys must sign; this is device %s of %s, channel %s, ring %s",
		doc.Version, doc.Threshold, len(doc.Keys), r.Device, r.Tenant, r.Channel, r.Ring))
}

// believed tells what the device may believe of the time.
func believed(p *Patient) Finding {
	now := seal.Clock{}.Read(seal.Evidence{Wall: p.Now, Build: p.Built})
	if now.State == seal.ClockTrusted {
		return ok("the clock can be believed: what is over is known to be")
	}
	return warn("the clock cannot be believed ("+now.State+"): what has an end is judged by "+now.Time.UTC().Format(time.DateOnly)+" at the earliest", "set the clock (timedatectl set-ntp true)")
}

// recordFolder tells whether what is taken from outside can be kept.
func recordFolder(p *Patient) []Finding {
	const hint = "chown it to the daemon's user and chmod it to 0700"
	dir := filepath.Join(p.Config.State, "policy")
	info, err := os.Stat(dir)
	switch {
	case p.Config.State == "" || p.Daemon != nil || errors.Is(err, fs.ErrNotExist):
		return nil // nothing is kept, it is the daemon's, or it will be made
	case err != nil:
		return []Finding{warn("the folder of the record: "+err.Error(), "run doctor as the daemon's user")}
	case !info.IsDir():
		return []Finding{fail(dir+" is not a folder", "remove it")}
	case unix.Access(dir, unix.W_OK|unix.X_OK) != nil:
		return []Finding{fail("the folder of the record "+dir+" cannot be written", hint)}
	}
	return []Finding{ok("the record of what was taken is in " + dir)}
}

// brokerLimit is how long a broker may take to be found and to let the device
// in.
const brokerLimit = 10 * time.Second

// connected is the link of a running daemon that stands, nil when there is none.
func connected(p *Patient) *steering.Broker {
	if p.Daemon == nil || p.Daemon.Remote == nil || p.Daemon.Remote.MQTT == nil || !p.Daemon.Remote.MQTT.Connected {
		return nil
	}
	return p.Daemon.Remote.MQTT
}

// broker looks up a broker's name, connects, and logs in as the device would.
// While the daemon is connected nobody logs in: many a broker takes the client
// id from the certificate, and would put the daemon out.
func broker(ctx context.Context, p *Patient, text string) Finding {
	u, err := url.Parse(text)
	if err != nil {
		return fail("a broker: "+err.Error(), "correct remote.mqtt.brokers")
	}
	name := u.Scheme + "://" + u.Host
	ip := net.ParseIP(u.Hostname())
	if why := p.silent(u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()); why != "" {
		return ok(name + " is not called: " + why)
	}
	link := connected(p)
	if link != nil && link.Broker != nil && *link.Broker == name {
		return ok(name + ": the daemon is connected to it")
	}
	ctx, cancel := context.WithTimeout(ctx, brokerLimit)
	defer cancel()
	conn, err := reach(ctx, p.Config.Remote.MQTT, u)
	if err != nil {
		return unreachable(name, err)
	}
	defer conn.Close()
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return ok(name + " listens; whether it lets this device in is not tried over WebSocket")
	}
	if link != nil {
		return ok(name + " listens; not logged in to, since the daemon is connected to another")
	}
	until, _ := ctx.Deadline()
	_ = conn.SetDeadline(until)
	password, err := p.Config.Remote.MQTT.Password.Resolve(ctx)
	switch env := p.Config.Remote.MQTT.Password.Env; {
	case err != nil && p.Daemon != nil && env != "":
		return warn(name+" listens; not logged in to: "+err.Error()+" here, and the daemon has an environment of its own", "export it and run doctor again")
	case err != nil:
		return fail(name+": remote.mqtt.password cannot be had: "+err.Error(), "put it there, for the daemon's user")
	}
	return login(name, conn, p.Config.Remote, password)
}

// reach connects to a broker, with TLS where its URL wants that.
func reach(ctx context.Context, m *remote.MQTT, u *url.URL) (net.Conn, error) {
	addr := remote.Address(u.String())
	if slices.Contains([]string{"tcp", "mqtt", "ws"}, u.Scheme) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if m.CA != "" {
		pem, err := strict.ReadFile(m.CA, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("remote.mqtt.ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("remote.mqtt.ca holds no certificate")
		}
	}
	if m.Cert != "" {
		pair, err := tls.LoadX509KeyPair(m.Cert, m.Key)
		if err != nil {
			return nil, fmt.Errorf("remote.mqtt.cert: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
}

func unreachable(name string, err error) Finding {
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(name+": there is no such host", "correct remote.mqtt.brokers, or ask who runs the name server for it")
	case errors.As(err, &dns):
		return fail(name+": no name server answers"+asked(dns), "look at /etc/resolv.conf and at the network")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail(name+": its certificate is not good now: "+invalid.Error(), "set the clock of this device; when that is right, the broker's certificate has run out: have it renewed")
	case errors.As(err, &untrusted):
		return fail(name+": its certificate is not trusted: "+untrusted.Err.Error(), "set remote.mqtt.ca to who signed it, and name the broker as its certificate does")
	}
	return warn(name+" cannot be reached: "+err.Error(), "the daemon tries again by itself; look at the network, a firewall, and whether the broker runs")
}

// login says hello to a broker and judges what it answers.
func login(name string, conn net.Conn, r *remote.Remote, password string) Finding {
	if _, err := conn.Write(hello(r.Device+"-doctor", r.MQTT.User, password)); err != nil {
		return warn(name+" hangs up: "+err.Error(), "look at the broker's log")
	}
	var said [4]byte // CONNACK of MQTT 3.1.1: type, length, session present, return code
	if _, err := io.ReadFull(bufio.NewReader(conn), said[:]); err != nil {
		return fail(name+" hangs up instead of letting this device in: "+err.Error(), "look at the broker's log; it may want a certificate (remote.mqtt.cert and key)")
	}
	switch {
	case said[0] != 0x20 || said[1] != 2:
		return fail(name+" does not speak MQTT 3.1.1", "correct the port in remote.mqtt.brokers")
	case said[3] == 4 || said[3] == 5:
		return fail(name+" does not let this device in: wrong user or password, or it may not", "correct remote.mqtt.user and password, or let it in at the broker")
	case said[3] != 0:
		return warn(fmt.Sprintf("%s does not let this device in: return code %d", name, said[3]), "look at the broker's log")
	}
	_, _ = conn.Write([]byte{0xe0, 0}) // DISCONNECT
	return ok(name + " lets this device in")
}

// hello is a CONNECT of MQTT 3.1.1 with a clean session. All that goes into it
// is bounded by the config, and a password by what a key may have.
func hello(client, user, password string) []byte {
	flags := byte(0x02)
	text := func(b []byte, s string) []byte { return append(append(b, byte(len(s)>>8), byte(len(s))), s...) }
	tail := text(nil, client)
	if user != "" {
		flags |= 0x80
		tail = text(tail, user)
	}
	if password != "" {
		flags |= 0x40
		tail = text(tail, password)
	}
	body := append(append(text(nil, "MQTT"), 4, flags, 0, 60), tail...)
	packet := []byte{0x10}
	for n := len(body); ; n >>= 7 {
		if n < 0x80 {
			return append(append(packet, byte(n)), body...)
		}
		packet = append(packet, byte(n)|0x80)
	}
}
