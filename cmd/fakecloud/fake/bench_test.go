package fake_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

const (
	chatPath   = "/v1/chat/completions"
	modelsPath = "/v1/models"
	plain      = `{"model":"fake-model","messages":[{"role":"user","content":"hello"}]}`
	streamed   = `{"model":"fake-model","messages":[{"role":"user","content":"hello"}],"stream":true}`
)

// A bench is a listening fake and a client of its own.
type bench struct {
	t      *testing.T
	ctx    context.Context
	server *fake.Server
	client *http.Client
	key    string
}

func newBench(t *testing.T, opts fake.Options) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	b := &bench{t: t, ctx: ctx, server: fake.New(opts), client: &http.Client{Transport: &http.Transport{}}, key: opts.Key}
	t.Cleanup(func() {
		b.server.Close()
		b.client.CloseIdleConnections()
		cancel()
	})
	if err := b.server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := b.server.ListenControl("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) set(f fake.Fault) {
	b.t.Helper()
	if err := b.server.Set(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wait(ok func(fake.State) bool) {
	b.t.Helper()
	if err := b.server.Wait(b.ctx, ok); err != nil {
		b.t.Fatal(err)
	}
}

// tryIn posts body to path, or gets path if body is empty.
func (b *bench) tryIn(ctx context.Context, path, body string) (*http.Response, error) {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, b.server.URL()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if b.key != "" {
		req.Header.Set("Authorization", "Bearer "+b.key)
	}
	return b.client.Do(req)
}

func (b *bench) try(path, body string) (*http.Response, error) { return b.tryIn(b.ctx, path, body) }

// call is try with everything read; no failure is accepted.
func (b *bench) call(path, body string) (int, http.Header, string) {
	b.t.Helper()
	resp, err := b.try(path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (b *bench) object(text string) map[string]any {
	b.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		b.t.Fatalf("%v in %s", err, text)
	}
	return v
}

// events are the data lines of an event stream.
func events(body string) []string {
	var data []string
	for _, event := range strings.Split(body, "\n\n") {
		if text, ok := strings.CutPrefix(event, "data: "); ok {
			data = append(data, text)
		}
	}
	return data
}

func (b *bench) readEvents(r io.Reader, n int) []string {
	var got []string
	lines := bufio.NewScanner(r)
	for len(got) < n && lines.Scan() {
		got = append(got, events(lines.Text())...)
	}
	return got
}

// text is what the deltas of a stream add up to.
func (b *bench) text(body string) string {
	b.t.Helper()
	var text strings.Builder
	for _, event := range events(body) {
		if event == "[DONE]" {
			continue
		}
		for _, choice := range b.object(event)["choices"].([]any) {
			word, _ := choice.(map[string]any)["delta"].(map[string]any)["content"].(string)
			text.WriteString(word)
		}
	}
	return text.String()
}

func valid(text string) bool { return json.Valid([]byte(text)) }

// serve calls the handler without a socket.
func serve(server *fake.Server, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, chatPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	server.ServeHTTP(w, r)
	return w
}

// refused wants an error on a connection the client may have kept, and a
// refused connect after that.
func (b *bench) refused() {
	b.t.Helper()
	if _, err := b.try(chatPath, plain); err == nil {
		b.t.Fatal("got an answer on an old connection")
	}
	b.client.CloseIdleConnections()
	if _, err := b.try(chatPath, plain); !errors.Is(err, syscall.ECONNREFUSED) {
		b.t.Fatalf("got %v, want refused", err)
	}
}
