package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"nearside/agent/config"
	"nearside/agent/config/secret"
)

// callLimit is how long a target may take to list its models.
const callLimit = 10 * time.Second

// checkTargets gets the key of every cloud target and asks it for its models,
// once: it is the cheapest call that shows whether the key is taken.
func checkTargets(ctx context.Context, p *Patient) []Finding {
	targets := p.Config.Cloud.Targets
	each := make([][]Finding, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			each[i] = target(ctx, p, t)
			for j := range each[i] {
				each[i][j].Message = "cloud/" + t.Name + ": " + each[i][j].Message
			}
		})
	}
	all.Wait()
	var list []Finding
	for _, findings := range each {
		list = append(list, findings...)
	}
	return list
}

func target(ctx context.Context, p *Patient, t config.Target) []Finding {
	key, err := t.Key.Resolve(ctx)
	host, ip := hostOf(t)
	held := p.silent(host == "localhost" || ip.IsLoopback())
	switch {
	case err != nil && p.Daemon != nil && t.Key.Env != "":
		return []Finding{warn("not asked: "+err.Error()+" here; the daemon has an environment of its own", "see its word above, or export it and run doctor again")}
	case err != nil:
		return []Finding{fail("its key cannot be had: "+err.Error(), "put the key there, for the daemon's user, or correct key")}
	case held != "":
		return []Finding{ok(keyed(t) + "; not asked: " + held)}
	case t.Kind != "openai":
		return []Finding{connect(ctx, t)}
	}
	answer, err := listModels(ctx, t.BaseURL, key)
	if err != nil {
		return []Finding{unreached(t, err)}
	}
	return append([]Finding{judge(t, answer)}, skew(p.Now, answer)...)
}

func keyed(t config.Target) string {
	if t.Key.IsZero() {
		return "it needs no key"
	}
	return "its key is there"
}

// connect tells whether a target can be reached, where there is nothing that it
// could be asked for without consequence. Behind a proxy that is not known.
func connect(ctx context.Context, t config.Target) Finding {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.BaseURL, nil)
	if err != nil {
		return unreached(t, err)
	}
	if proxy, _ := http.ProxyFromEnvironment(req); proxy != nil {
		return ok(keyed(t) + "; whether it answers is not known behind the proxy")
	}
	dial, port := (&net.Dialer{}).DialContext, "80"
	if req.URL.Scheme == "https" {
		dial, port = (&tls.Dialer{}).DialContext, "443"
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), cmp.Or(req.URL.Port(), port)))
	if err != nil {
		return unreached(t, err)
	}
	conn.Close()
	return ok(keyed(t) + ", and somebody listens; it is asked for nothing")
}

// answer is a reply to a call for the list of models.
type answer struct {
	status int
	date   time.Time // zero when it has none
	body   []byte
	took   time.Duration
}

func listModels(ctx context.Context, base, key string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/models", nil)
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	way := http.DefaultTransport.(*http.Transport).Clone()
	defer way.CloseIdleConnections()
	start := time.Now()
	resp, err := way.RoundTrip(req) // which follows no redirects
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, took: time.Since(start)}
	a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return a, err
}

const (
	portal     = "something between this device and the target answers in its place: "
	portalHint = "open any page in a browser here and log in to the network (a captive portal), or check base_url and the proxy"
)

// judge reads what a target said when it was asked for its models.
func judge(t config.Target, a *answer) Finding {
	var list struct{ Data []struct{ ID string } }
	unread := json.Unmarshal(a.body, &list)
	status := fmt.Sprintf("status %d", a.status)
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return fail("it refuses the key ("+status+")", "put a good key where key points ("+place(t.Key)+"), then run: nearside config reload")
	case a.status == http.StatusPaymentRequired:
		return fail("it wants to be paid first ("+status+")", "look at the account of this key")
	case a.status == http.StatusNetworkAuthenticationRequired, a.status >= 300 && a.status < 400:
		return fail(portal+status, portalHint)
	case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed:
		return warn("it answers and has no list of models at base_url ("+status+"), so its key is not checked", "check base_url; it mostly ends with /v1")
	case a.status == http.StatusTooManyRequests:
		return warn("it answers and wants fewer calls ("+status+")", "wait, or look at the limits of this key")
	case a.status >= 400 && a.status < 500:
		return warn("it answers and does not take a call for its list of models ("+status+")", "check base_url: http or https, the port, and the path, which mostly ends with /v1")
	case a.status != http.StatusOK:
		return warn("it answers with trouble of its own ("+status+")", "wait, or look at its provider's status page")
	case unread != nil:
		return fail(portal+"200 and no JSON", portalHint)
	}
	known := map[string]bool{}
	for _, m := range list.Data {
		known[m.ID] = true
	}
	after := fmt.Sprintf("answers after %d ms", a.took.Milliseconds())
	for _, service := range slices.Sorted(maps.Keys(t.Models)) {
		if m := t.Models[service]; !known[m] {
			return warn(fmt.Sprintf("%s, and %q is not in its list of models", after, m), "correct models."+service+", unless it is known under several names")
		}
	}
	if t.Key.IsZero() {
		return ok(after + " without a key and has the models")
	}
	return ok(after + ", takes the key and has the models")
}

// unreached judges why a target gave no answer at all.
func unreached(t config.Target, err error) Finding {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fail("the proxy does not answer: "+err.Error(), "start it, or correct HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail("its certificate is not good now: "+invalid.Error(), "set the clock of this device; when that is right, the target's certificate has expired: tell who runs it")
	case errors.As(err, &record):
		return fail("what answers there does not speak TLS: "+err.Error(), "write http:// in base_url where the target has no TLS; else "+portalHint)
	case errors.As(err, &unknown), errors.As(err, &host):
		return fail(portal+err.Error(), portalHint+"; a certificate authority of your own goes into the system's store, or SSL_CERT_FILE")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(fmt.Sprintf("no answer within %v", callLimit), "check the network; a firewall may swallow the calls")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fail("it hangs up without an answer: "+err.Error(), "check base_url ("+t.BaseURL+"): https where the target speaks TLS, and the port")
	}
	return fail("it cannot be reached: "+err.Error(), "check base_url ("+t.BaseURL+") and the network")
}

// skew compares the clock with the one of a target.
func skew(now time.Time, a *answer) []Finding {
	const much = 2 * time.Minute
	if a.date.IsZero() {
		return nil
	}
	off := now.Sub(a.date).Round(time.Second)
	if off.Abs() < much {
		return nil
	}
	return []Finding{{Check: "clock", Verdict: Warn, Message: fmt.Sprintf("the clock of this device differs from the target's by %v", off), Hint: "set the clock (timedatectl set-ntp true)"}}
}

// place says where a key is, for people.
func place(k secret.Key) string {
	switch {
	case k.Env != "":
		return "variable " + k.Env
	case k.File != "":
		return "file " + k.File
	case k.Command != nil:
		return "command " + k.Command[0]
	}
	return "there is none: add one"
}
