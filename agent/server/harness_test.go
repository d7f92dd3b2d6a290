package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/decision"
	"nearside/agent/learn"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/server"
	"nearside/agent/server/callers"
	"nearside/agent/server/control"
	"nearside/agent/server/listen"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answerer makes a function an agent's answerer.
type answerer func(ctx context.Context, call openai.Call) (*openai.Reply, error)

func (f answerer) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	return f(ctx, call)
}

// says answers every ask with the text, plain or streamed as it was asked.
func says(target, text string) answerer {
	return func(_ context.Context, call openai.Call) (*openai.Reply, error) {
		call.Tried(openai.Attempt{Target: target, Start: time.Now(), Took: time.Millisecond, Result: "ok"})
		body := fmt.Appendf(nil, `{"id":"c1","object":"chat.completion","created":1,"model":"m-1",
			"choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],
			"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, text)
		if call.Request.Stream {
			s, err := completion.Replay(body, call.Request.IncludeUsage)
			if err != nil {
				return nil, err
			}
			return &openai.Reply{Target: target, Stream: s, Answer: s.Answer}, nil
		}
		a, err := completion.Parse(body)
		return &openai.Reply{Target: target, Body: body, Answer: a}, err
	}
}

// fails ends every ask with err, as a target that was called.
func fails(target string, err error) answerer {
	return func(_ context.Context, call openai.Call) (*openai.Reply, error) {
		call.Tried(openai.Attempt{Target: target, Start: time.Now(), Result: fault.Result(err), Err: err})
		return nil, err
	}
}

// memory is a cache that a test can fill and let age.
type memory struct {
	mu    sync.Mutex // guards all below
	value map[string][]byte
	age   time.Duration
}

func (m *memory) Get(_ context.Context, key string) ([]byte, time.Time, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.value[key]
	return v, time.Now().Add(-m.age), ok, nil
}

func (m *memory) Put(key string, value []byte, _ time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value[key] = value
}

func (m *memory) grow(age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.age = age
}

// records hands every decision record to a test.
type records chan decision.Record

func (c records) Record(_ string, _ time.Time, record func([]byte) []byte) {
	var r decision.Record
	_ = json.Unmarshal(record(nil), &r)
	c <- r
}

// world is what stands behind the server in a test. Nil parts are absent;
// there is always local/small and cloud/first, the latter without a price.
type world struct {
	local, cloud answerer
	cache        agent.Cache
	recorder     agent.Recorder
	network      string // "" is online
	ready        error
	pending      time.Duration
	origins      []string
	history      control.History
	drain        time.Duration  // 0 is 2 s
	rules        *callers.Rules // nil: everybody may do everything
	limits       server.Limits  // a head may take as long as a test has patience
	device       control.Device
	learner      *learn.Learner
	steered      steering.Steered
	asked        func(int64)
	log          slog.Handler // nil is nowhere
}

func (w *world) signals() policy.Signals {
	return policy.Signals{Time: time.Now(), Network: cmp.Or(w.network, "online"), Targets: []policy.Target{
		{Name: "local/small", Services: []string{"chat"}, Near: true, Usable: true, Blind: true},
		{Name: "cloud/first", Services: []string{"chat"}, Usable: true},
	}}
}

func (w *world) agent() *agent.Agent {
	doc, digest, _ := written.DefaultPolicy()
	parts := agent.Parts{Cache: w.cache, Recorder: w.recorder, Signals: w.signals}
	if w.local != nil {
		parts.Local = w.local
	}
	if w.cloud != nil {
		parts.Cloud = w.cloud
	}
	return agent.New(parts, agent.Settings{
		Policy: &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"},
		Keep:   agent.Keep{Fresh: time.Hour, Stale: 24 * time.Hour},
	})
}

// face is a server that listens, and the two ways to it.
type face struct {
	t      *testing.T
	addr   string // of TCP
	socket string
	unix   *http.Client
	tcp    *http.Client
	stop   func() // as a signal does
}

func (w world) server() *server.Server {
	if w.log == nil {
		w.log = slog.DiscardHandler
	}
	book := callers.New()
	if w.rules != nil {
		book.Set(*w.rules)
	}
	w.limits.Header = cmp.Or(w.limits.Header, patience)
	return server.New(server.Options{
		Agent: w.agent(), Status: func() status.Status { return status.Status{Ready: true} }, Ready: func() error { return w.ready },
		Models: func() []server.Model {
			return []server.Model{{ID: "auto", Object: "model"}, {ID: "local/small", Object: "model"}}
		},
		Control: control.Routes{History: func() control.History { return w.history }, Device: w.device, Learner: w.learner}, Steered: w.steered,
		Doors:   server.Doors{Hosts: []string{"localhost", "127.0.0.1", "[::1]"}, Origins: w.origins},
		Pending: w.pending, Asked: w.asked, Callers: book, Limits: w.limits, Log: slog.New(w.log),
	})
}

// open serves the world until the test ends.
func (w world) open(t *testing.T) *face {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	unix, tcp := listener(t, "unix", socket), listener(t, "tcp", "127.0.0.1:0")
	f := &face{t: t, addr: tcp.Addr().String(), socket: socket, tcp: &http.Client{Transport: &http.Transport{}}}
	f.unix = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	ended := make(chan error, 1)
	go func() { ended <- w.server().Serve(ctx, cmp.Or(w.drain, 2*time.Second), unix, tcp) }()
	t.Cleanup(func() {
		f.tcp.CloseIdleConnections()
		f.unix.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return f
}

func listener(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return listen.Bound(l, 1000)
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
	fault  struct{ Message, Type, Param, Code string } // of an error
}

// send makes one call; head is names and values, "Host" among them.
func (f *face) send(client *http.Client, method, path, body string, head ...string) *http.Response {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.addr+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		if head[i] == "Host" {
			req.Host = head[i+1]
			continue
		}
		req.Header.Add(head[i], head[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

func (f *face) call(client *http.Client, method, path, body string, head ...string) reply {
	f.t.Helper()
	return f.heard(f.send(client, method, path, body, head...))
}

// heard is a reply, read to its end.
func (f *face) heard(resp *http.Response) reply {
	f.t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("read body: %v", err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(text)}
	var wire struct{ Error any }
	if json.Unmarshal(text, &wire) == nil && wire.Error != nil {
		object, _ := json.Marshal(wire.Error)
		_ = json.Unmarshal(object, &r.fault) // a null stays ""
	}
	return r
}

// blurt posts a body that may be refused before its end. A client of the library
// would tell of the reply or of the write that failed, whichever it sees first.
func (f *face) blurt(network, path, body string) reply {
	f.t.Helper()
	w := f.dial(f.t, network)
	go w.say(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		f.t.Fatalf("POST %s: %v", path, err)
	}
	return f.heard(resp)
}

// chat posts a chat request over TCP.
func (f *face) chat(body string, head ...string) reply {
	f.t.Helper()
	return f.call(f.tcp, http.MethodPost, "/v1/chat/completions", body, head...)
}

const hello = `{"messages":[{"role":"user","content":"hello"}]}`
