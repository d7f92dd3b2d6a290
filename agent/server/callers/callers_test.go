package callers_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/server/callers"
)

const (
	robotToken = "robot-0123456789abcdef"
	ownToken   = "owner-0123456789abcdef"
)

// from is a request of the caller at the other end of a connection of the kind.
func from(t testing.TB, network string, authorization ...string) *http.Request {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	return request(callers.Connect(t.Context(), in), authorization...)
}

func request(ctx context.Context, authorization ...string) *http.Request {
	r := (&http.Request{Header: http.Header{}}).WithContext(ctx)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

// reason is why the request was refused, "" when it was not.
func reason(b *callers.Book, r *http.Request, need string) callers.Reason {
	pass, err := b.Admit(r, need)
	pass.Leave()
	var refusal *callers.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

func listed(rules ...callers.Rule) callers.Rules { return callers.Rules{Listed: rules} }

// own is a rule for whoever runs this test.
func own(services ...string) callers.Rule {
	uid := uint32(os.Geteuid())
	return callers.Rule{Name: "me", UID: &uid, Services: services}
}

// TestTCP: over TCP one header counts, and it must fit.
func TestTCP(t *testing.T) {
	robot := callers.Rule{Name: "robot", Token: robotToken, Services: []string{"chat"}}
	good := "Bearer " + robotToken
	open, allowed := callers.Rules{Strangers: true}, callers.Rules{Strangers: true, Listed: []callers.Rule{robot}}
	shared := callers.Rules{Strangers: true, Token: ownToken, Listed: []callers.Rule{robot}}
	f := func(rules callers.Rules, need string, want callers.Reason, authorization ...string) {
		t.Helper()
		b := callers.New()
		b.Set(rules)
		r := from(t, "tcp", authorization...)
		if got := reason(b, r, need); got != want {
			t.Errorf("%s with %.30q: refused for %q, want %q", need, authorization, got, want)
		}
	}
	// nobody is listed: what clients send out of habit means nothing
	f(open, "chat", "")
	f(open, "chat", "", "Bearer sk-none")
	f(open, callers.Control, "", "Bearer a", "Bearer b")
	// listed ones only
	f(listed(robot), "chat", "", good)
	f(listed(robot), "chat", "", "bearer  "+robotToken+" ")
	f(listed(robot), callers.Known, "", good)
	f(listed(robot), "chat", callers.ReasonNoToken)
	f(listed(robot), callers.Public, "")
	f(listed(robot), callers.Public, "", "Bearer x", "Bearer y")
	f(listed(robot), "embed", callers.ReasonService, good)
	f(listed(robot), callers.Control, callers.ReasonService, good)
	f(listed(robot), "chat", callers.ReasonTwoTokens, good, good)
	f(listed(robot), "chat", callers.ReasonTwoTokens, "Bearer x", good)
	f(listed(robot), "chat", callers.ReasonNoToken, "Basic "+robotToken)
	f(listed(robot), "chat", callers.ReasonNoToken, robotToken)
	f(listed(robot), "chat", callers.ReasonNoToken, "")
	for _, bad := range []string{"Bearer", "Bearer ", good + ", " + good, good + "x", "Bearer " + robotToken[1:], "Bearer " + strings.ToUpper(robotToken)} {
		f(listed(robot), "chat", callers.ReasonBadToken, bad)
	}
	// strangers may, where they are allowed, ask and not steer; a wrong token is no stranger
	f(allowed, "chat", "")
	f(allowed, callers.Control, callers.ReasonStranger)
	f(allowed, "chat", callers.ReasonBadToken, "Bearer wrong-0123456789abcdef")
	// the listener's token is needed by all, and its holder may do everything
	f(shared, "chat", callers.ReasonNoToken)
	f(shared, callers.Control, "", "Bearer "+ownToken)
	f(shared, "chat", "", good)
	// a user id says nothing over TCP
	f(listed(own("chat")), "chat", callers.ReasonStranger)
	f(callers.Rules{Strangers: true, Listed: []callers.Rule{own()}}, callers.Control, callers.ReasonStranger)
}

// TestSocket: on the socket the user counts, and no header does.
func TestSocket(t *testing.T) {
	other := uint32(os.Geteuid() + 1)
	f := func(rules callers.Rules, need string, want callers.Reason, authorization ...string) {
		t.Helper()
		b := callers.New()
		b.Set(rules)
		r := from(t, "unix", authorization...)
		if got := reason(b, r, need); got != want {
			t.Errorf("%s: refused for %q, want %q", need, got, want)
		}
	}
	robot := callers.Rule{Name: "robot", Token: robotToken}
	f(listed(own("chat")), "chat", "")
	f(listed(own("chat")), "embed", callers.ReasonService)
	f(listed(own("chat")), callers.Control, "") // who runs the daemon may steer it
	f(listed(robot), callers.Control, "")
	f(listed(robot), "chat", callers.ReasonStranger)
	f(listed(robot), "chat", callers.ReasonStranger, "Bearer "+robotToken)
	f(listed(callers.Rule{Name: "b", UID: &other}), "chat", callers.ReasonStranger)
	f(callers.Rules{Strangers: true, Listed: []callers.Rule{robot}}, "chat", "")
	f(callers.Rules{Strangers: true, Token: ownToken}, "chat", "")
}

// TestName: who asks is the caller let in last on the connection.
func TestName(t *testing.T) {
	b := callers.New()
	b.Set(callers.Rules{Strangers: true, Listed: []callers.Rule{{Name: "robot", Token: robotToken}}})
	r := from(t, "tcp", "Bearer "+robotToken)
	f := func(want string) {
		t.Helper()
		reason(b, r, "chat")
		if got := callers.LineOf(r).Name(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("robot")
	r.Header.Del("Authorization")
	f("tcp:127.0.0.1")
	r.Header.Set("Authorization", "Bearer wrong-0123456789abcdef")
	f("tcp:127.0.0.1")
}

// TestRate: so many at once, then so many a minute; a refusal costs nothing, and
// says when to come again.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := callers.New()
		rules := listed(callers.Rule{Name: "robot", Token: robotToken, Rate: callers.Rate{PerMinute: 30, Burst: 2}})
		b.Set(rules)
		r := request(t.Context(), "Bearer "+robotToken)
		f := func(need string, wait time.Duration) {
			t.Helper()
			var refusal *callers.Refusal
			_, err := b.Admit(r, need)
			if errors.As(err, &refusal); wait == 0 && err != nil || wait > 0 && (refusal == nil || refusal.Wait != wait) {
				t.Errorf("got %+v, want to wait %v", refusal, wait)
			}
		}
		f("chat", 0)
		f("chat", 0)
		f("chat", 2*time.Second)
		f("chat", 2*time.Second)
		f(callers.Known, 0) // is no ask
		time.Sleep(1500 * time.Millisecond)
		f("chat", 500*time.Millisecond)
		time.Sleep(500 * time.Millisecond)
		b.Set(rules) // equal rules change nothing
		f("chat", 0)
		f("chat", 2*time.Second)
		if got := b.Figures()[0]; got.Requests != 8 || got.Refused[callers.ReasonRate] != 4 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestShare: no caller takes the places of the others, and all together no more
// than there are.
func TestShare(t *testing.T) {
	b := callers.New()
	r := listed(callers.Rule{Name: "half", Token: robotToken, Share: 0.5}, callers.Rule{Name: "whole", Token: ownToken})
	r.Asks = 4
	b.Set(r)
	half, whole := request(t.Context(), "Bearer "+robotToken), request(t.Context(), "Bearer "+ownToken)
	var inside []callers.Pass
	f := func(r *http.Request, want callers.Reason) {
		t.Helper()
		pass, err := b.Admit(r, "chat")
		var refusal *callers.Refusal
		if errors.As(err, &refusal); want == "" && err != nil || want != "" && (refusal == nil || refusal.Reason != want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err == nil {
			inside = append(inside, pass)
		}
	}
	f(half, "")
	f(half, "")
	f(half, callers.ReasonShare)
	f(whole, "")
	f(whole, "")
	f(whole, callers.ReasonFull)
	if got := b.Figures(); got[0].InFlight != 2 || got[1].InFlight != 2 || got[0].Refused[callers.ReasonShare] != 1 {
		t.Errorf("got %+v", got)
	}
	inside[0].Leave()
	inside[3].Leave()
	b.Set(r) // who is inside stays counted
	f(half, "")
	f(half, callers.ReasonShare)
	f(whole, "")
	f(whole, callers.ReasonFull)
	for _, pass := range inside[1:3] {
		pass.Leave()
	}
	for _, pass := range inside[4:] {
		pass.Leave()
	}
	for _, got := range b.Figures() {
		if got.InFlight != 0 {
			t.Errorf("left behind: %+v", got)
		}
	}
}

func TestTokensMustTellCallersApart(t *testing.T) {
	f := func(r callers.Rules, want string) {
		t.Helper()
		err := r.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("got %v, want %s", err, want)
		}
		if err != nil && (strings.Contains(err.Error(), robotToken) || strings.Contains(err.Error(), "shorter")) {
			t.Errorf("a token is printed: %v", err)
		}
	}
	robot, twin := callers.Rule{Name: "a", Token: robotToken}, callers.Rule{Name: "b", Token: robotToken}
	f(listed(robot, own(), own()), "")
	f(listed(robot, twin), "callers[1].token is the same as callers[0].token")
	f(callers.Rules{Token: robotToken, Listed: []callers.Rule{own(), twin}}, "callers[1].token is the same as listen.token")
	f(callers.Rules{Token: "shorter"}, "listen.token is too short")
}

// FuzzAuthorization: no header but the one with the token gets in, whatever it
// looks like.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer " + robotToken, "bearer\t" + robotToken, "Bearer " + robotToken + "," + robotToken, "Basic Og=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		b := callers.New()
		b.Set(listed(callers.Rule{Name: "robot", Token: robotToken}))
		got := reason(b, request(t.Context(), header), "chat")
		scheme, token, _ := strings.Cut(header, " ")
		fits := strings.EqualFold(scheme, "bearer") && strings.TrimSpace(token) == robotToken
		if fits != (got == "") {
			t.Errorf("%q: refused for %q", header, got)
		}
	})
}
