package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
)

const (
	ownerToken = "owner-0123456789abcdef"
	robotToken = "robot-0123456789abcdef"
	freshToken = "fresh-0123456789abcdef"
)

// certify writes a certificate of that serial number for this device, and its key.
func (h *house) certify(serial int64) {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		h.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	h.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

// remote is an app that reaches a daemon from elsewhere.
type remote struct {
	t      *testing.T
	client *http.Client
	addr   string
}

// secure takes any certificate, and makes a connection for every call.
func secure() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// call is the status and the text of an answer, and the serial number of the
// certificate that came with it.
func (r *remote) call(method, path, token, body string) (status int, text string, serial int64) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(all), resp.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func (r *remote) chats(token string, want int) {
	r.t.Helper()
	if got, text, _ := r.call("POST", chatPath, token, `{"messages":[{"role":"user","content":"hello"}]}`); got != want {
		r.t.Errorf("with %.5s: got %d, want %d: %s", token, got, want, text)
	}
}

const guarded = `
listen: {tls: {cert: cert.pem, key: key.pem}, token: {file: owner.token}}
callers:
  - {name: robot, token: {file: robot.token}, services: [chat]}
`

// TestRemoteCallers: a daemon that is reached over TLS lets in those with a
// token and nobody else, and takes new tokens and another certificate while it
// runs.
func TestRemoteCallers(t *testing.T) {
	h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})), guarded, "log: {level: debug}")
	h.certify(1)
	h.write("owner.token", ownerToken+"\n")
	h.write("robot.token", robotToken)
	r := &remote{t: t, client: secure()}
	r.addr = h.startAt("https", r.client)

	r.chats(robotToken, 200)
	r.chats(ownerToken, 200)
	r.chats("", 401)
	r.chats("sk-wrong", 401)
	if got, _, _ := r.call("GET", "/v1/status", robotToken, ""); got != 403 {
		t.Errorf("the robot sees the status: %d", got)
	}
	until(t, "the callers are recorded", patience, func() bool {
		_, text, _ := r.call("GET", "/v1/decisions", ownerToken, "")
		return callersIn(t, text) == "token robot"
	})
	r.speaksOldTLS(t)
	r.speaksNoTLS(t)

	h.write("robot.token", freshToken)
	h.certify(2)
	h.reload()
	r.chats(robotToken, 401)
	r.chats(freshToken, 200)
	if _, _, serial := r.call("GET", "/healthz", "", ""); serial != 2 {
		t.Errorf("after a reload the certificate is number %d, want 2", serial)
	}
	h.write("cert.pem", "no certificate")
	h.write("robot.token", robotToken)
	if _, bad, code := h.run("config", "reload"); code != shell.ExitUsage || !strings.Contains(bad, "listen.tls") {
		t.Errorf("a reload with a bad certificate: exit %d: %s", code, bad)
	}
	r.chats(freshToken, 200) // all stays as it was
	h.tellsNoSecret(t, r)
}

// speaksOldTLS: what is older than TLS 1.2 is not spoken.
func (r *remote) speaksOldTLS(t *testing.T) {
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// speaksNoTLS: a plain request gets no answer of the API.
func (r *remote) speaksNoTLS(t *testing.T) {
	resp, err := http.Get("http://" + r.addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: status %d", resp.StatusCode)
	}
}

// tellsNoSecret looks for tokens in all that the daemon says.
func (h *house) tellsNoSecret(t *testing.T, r *remote) {
	show, _, _ := h.run("config", "show")
	_, status, _ := r.call("GET", "/v1/status", ownerToken, "")
	_, decisions, _ := r.call("GET", "/v1/decisions", ownerToken, "")
	_, figures, _ := r.call("GET", "/metrics", ownerToken, "")
	for name, text := range map[string]string{"config show": show, "status": status, "decisions": decisions, "metrics": figures, "log": h.log.String()} {
		for _, secret := range []string{ownerToken, robotToken, freshToken} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has a token: %s", name, text)
			}
		}
	}
	if !strings.Contains(figures, `nearside_caller_requests_total{caller="robot",status="2xx"} 3`) || !strings.Contains(figures, `nearside_refused_total{reason="bad_token"} 2`) {
		t.Errorf("metrics: %s", figures)
	}
}

// TestStartNeedsItsTokens: a daemon that does not know whom to let in lets
// nobody in.
func TestStartNeedsItsTokens(t *testing.T) {
	h := unstarted(t, noLocal, guarded)
	if _, warned, code := h.run("config", "check"); code != 0 || !strings.Contains(warned, "warning: no daemon can start with this: read listen.tls") {
		t.Errorf("config check: exit %d: %s", code, warned)
	}
	tells(t, h.refusesToStart("--http", "127.0.0.1:0"), "listen.tls", "cert.pem")
	h.certify(1)
	tells(t, h.refusesToStart("--http", "127.0.0.1:0"), "listen.token", "owner.token")
	h.write("owner.token", ownerToken)
	h.write("robot.token", "short")
	tells(t, h.refusesToStart("--http", "127.0.0.1:0"), "callers[0].token", "too short")
	h.write("robot.token", ownerToken)
	tells(t, h.refusesToStart("--http", "127.0.0.1:0"), "callers[0].token", "listen.token")
}

// dialAs connects to the socket as another user of the same group. Only root
// can; the thread that became that user is not used again.
func (h *house) dialAs(uid int) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and ends with the goroutine
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); e != 0 {
			done <- result{nil, e}
			return
		}
		conn, err := net.Dial("unix", h.socket)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// TestUsersOnTheSocket: the kernel says who is there, and each user may do what
// the config says.
func TestUsersOnTheSocket(t *testing.T) {
	h := newHouse(t, noLocal, clouds(newCloud(t, fake.Options{})), "callers: [{name: kiosk, uid: 12345, services: [chat]}]")
	if got := h.ask(ask{text: "hello"}); got.status != 403 || got.kind != "permission_error" {
		t.Errorf("who is not listed: %v", got)
	}
	if out, bad, code := h.run("status"); code != 0 {
		t.Errorf("who runs the daemon: exit %d: %s%s", code, out, bad)
	}
	if os.Geteuid() != 0 {
		return // only root can be others
	}
	if err := os.Chmod(h.dir, 0o710); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid        int
		path, body string
		want       string
	}{
		{12345, chatPath, `{"messages":[{"role":"user","content":"hello"}]}`, "200 OK"},
		{12345, "/v1/status", "", "403 Forbidden"},
		{12345, "/healthz", "", "200 OK"},
		{54321, chatPath, `{"messages":[{"role":"user","content":"hello"}]}`, "403 Forbidden"},
		{54321, "/readyz", "", "200 OK"},
	} {
		if got := h.statusAs(t, c.uid, c.path, c.body); got != c.want {
			t.Errorf("user %d at %s: got %s, want %s", c.uid, c.path, got, c.want)
		}
	}
	until(t, "the caller is recorded", patience, func() bool { return callersIn(t, string(h.get("/v1/decisions"))) == "kiosk" })
}

// callersIn lists who asked, the latest first.
func callersIn(t *testing.T, decisions string) string {
	t.Helper()
	var list struct{ Data []struct{ Caller string } }
	if err := json.Unmarshal([]byte(decisions), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range list.Data {
		names = append(names, d.Caller)
	}
	return strings.Join(names, " ")
}

// statusAs posts the body, or gets where there is none, as the user.
func (h *house) statusAs(t *testing.T, uid int, path, body string) string {
	t.Helper()
	conn, err := h.dialAs(uid)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Status
}
