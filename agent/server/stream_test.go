package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// lines reads a stream's lines, empty ones left out.
func lines(t *testing.T, body io.Reader) []string {
	t.Helper()
	var all []string
	s := bufio.NewScanner(body)
	for s.Scan() {
		if s.Text() != "" {
			all = append(all, s.Text())
		}
	}
	if s.Err() != nil {
		t.Fatalf("stream: %v", s.Err())
	}
	return all
}

func (f *face) stream(body string) *http.Response {
	f.t.Helper()
	return f.send(f.tcp, http.MethodPost, "/v1/chat/completions", body)
}

var ask = turn(`"stream":true`)

func TestStream(t *testing.T) {
	resp := world{local: says("local/small", "Paris.")}.open(t).stream(ask)
	defer resp.Body.Close()
	h := resp.Header
	if resp.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("x-nearside-route") != "local" || h.Get("x-nearside-reason") != "local_first" {
		t.Fatalf("status %d, headers %v", resp.StatusCode, h)
	}
	complete(t, "stream", h)
	got := lines(t, resp.Body)
	if got[len(got)-1] != "data: [DONE]" || !strings.Contains(strings.Join(got, ""), "Paris.") {
		t.Errorf("stream:\n%s", strings.Join(got, "\n"))
	}
	if slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, ":") }) {
		t.Errorf("comments in a stream whose headers said it all:\n%s", strings.Join(got, "\n"))
	}
}

// slowly waits for go before it lets the next answer.
func slowly(release <-chan struct{}, next answerer) answerer {
	return func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		select {
		case <-release:
			return next(ctx, call)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestPending follows a stream that waits: headers and comments come at once,
// who answered at the end.
func TestPending(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := world{local: slowly(release, says("local/small", "Paris.")), pending: 10 * time.Millisecond}.open(t)
	resp := f.stream(ask) // returns with the headers, before the answer
	defer resp.Body.Close()
	if got := resp.Header.Get("x-nearside-route"); resp.StatusCode != 200 || got != "pending" {
		t.Fatalf("status %d, route %q, want pending", resp.StatusCode, got)
	}
	body := bufio.NewReader(resp.Body)
	for range 2 { // the heart beats on
		line, err := body.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, ":") {
			t.Fatalf("heartbeat %q, %v", line, err)
		}
		if _, err := body.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	got := lines(t, body)
	end := got[len(got)-2:]
	if end[0] != ": nearside route=local target=local/small reason=local_first" || end[1] != "data: [DONE]" {
		t.Errorf("stream ends with %q", end)
	}
}

// TestPendingThenKept: a kept answer that comes after the headers is known for
// one at the end, and for how old it is.
func TestPendingThenKept(t *testing.T) {
	t.Parallel()
	release, kept := make(chan struct{}), &memory{value: map[string][]byte{}}
	var broken atomic.Bool
	local := func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		if broken.Load() {
			return slowly(release, fails("local/small", fault.ErrBroken))(ctx, call)
		}
		return says("local/small", "Paris.")(ctx, call)
	}
	f := world{local: local, cache: kept, pending: time.Millisecond}.open(t)
	f.chat(turn(`"model":"local","temperature":0`))
	broken.Store(true)
	kept.grow(2 * time.Hour)
	resp := f.stream(turn(`"model":"local","temperature":0,"stream":true`))
	defer resp.Body.Close()
	close(release)
	got := lines(t, resp.Body)
	said, end := got[len(got)-3], got[len(got)-2]
	if !strings.HasPrefix(said, ": nearside decision=") || !strings.Contains(said, " cache=stale age=7200 degraded=1") || !strings.HasPrefix(end, ": nearside route=stale") {
		t.Errorf("stream ends with %q", got)
	}
}

// TestPendingThenRefused: after the headers a refusal is an error event, and
// the stream does not look as if it had ended well.
func TestPendingThenRefused(t *testing.T) {
	release := make(chan struct{})
	f := world{local: slowly(release, fails("local/small", fault.ErrBroken)), pending: time.Millisecond}.open(t)
	resp := f.stream(turn(`"model":"local","stream":true`))
	defer resp.Body.Close()
	close(release)
	got := lines(t, resp.Body)
	end := got[len(got)-2:]
	if !strings.HasPrefix(end[0], ": nearside route=none target= reason=") || !strings.HasPrefix(end[1], `data: {"error":{`) {
		t.Errorf("stream ends with %q", end)
	}
}

// broken is a stream of n good chunks that then ends without a word.
func broken(n int) answerer {
	return begins(n, func(context.Context) io.Reader { return strings.NewReader("") })
}

// hanging is one that then says nothing more.
func hanging(n int) answerer {
	return begins(n, func(ctx context.Context) io.Reader {
		r, w := io.Pipe()
		context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
		return r
	})
}

// begins is a stream of n good chunks, and then the rest.
func begins(n int, rest func(context.Context) io.Reader) answerer {
	return func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,"delta":{"content":"word%d "},"finish_reason":null}]}`+"\n\n", i)
		}
		up := client.Client{Base: "http://fake", HTTP: transport(func(r *http.Request) (*http.Response, error) {
			body := io.NopCloser(io.MultiReader(strings.NewReader(b.String()), rest(r.Context())))
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
		})}
		s, err := up.ChatStream(ctx, nil, completion.Shape{})
		if err != nil {
			return nil, err
		}
		if err := s.Prime(call.Hold); err != nil {
			s.Close()
			return nil, err
		}
		return &openai.Reply{Target: call.Targets[0], Stream: s, Answer: s.Answer}, nil
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestBrokenStream: after the first token nobody else can answer, so that the
// caller is told, and what was said is not kept.
func TestBrokenStream(t *testing.T) {
	kept, recorded := &memory{value: map[string][]byte{}}, make(records, 1)
	f := world{cloud: broken(3), cache: kept, recorder: recorded}.open(t)
	resp := f.stream(turn(`"model":"cloud","stream":true`))
	defer resp.Body.Close()
	got := lines(t, resp.Body)
	if len(got) != 4 || !strings.Contains(got[2], "word2") || !strings.HasPrefix(got[3], `data: {"error":{`) {
		t.Errorf("stream:\n%s", strings.Join(got, "\n"))
	}
	if r := <-recorded; r.Outcome.Error == "" {
		t.Errorf("the record calls it well ended: %+v", r.Outcome)
	}
	if len(kept.value) != 0 {
		t.Error("half an answer was kept")
	}
}

// TestCallerGone: when the caller goes away, what was started for it ends, and
// the record says so.
func TestCallerGone(t *testing.T) {
	for _, body := range []string{hello, ask} {
		began, recorded := make(chan struct{}), make(records, 1)
		local := answerer(func(ctx context.Context, _ openai.Call) (*openai.Reply, error) {
			close(began)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		f := world{local: local, cloud: says("cloud/first", "too late"), recorder: recorded}.open(t)
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.addr+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-began
			leave()
		}()
		if resp, err := f.tcp.Do(req); err == nil {
			resp.Body.Close()
			t.Error("there was an answer")
		}
		if r := <-recorded; r.Outcome.Status != 0 || r.Outcome.Route != "none" || len(r.Attempts) != 0 {
			t.Errorf("record %+v", r.Outcome)
		}
	}
}

// TestHalfClosedStream: who closes its half of the connection amid a stream and
// still reads is told why that ends, too.
func TestHalfClosedStream(t *testing.T) {
	f := world{local: hanging(9)}.open(t)
	for _, network := range []string{"tcp", "unix"} {
		w := f.dial(t, network)
		w.say(whole(turn(`"stream":true`)))
		resp, err := http.ReadResponse(w.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			t.Fatal(err)
		}
		if err := w.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got := lines(t, resp.Body)
		if last := got[len(got)-1]; !strings.HasPrefix(last, `data: {"error":{"code":"caller_gone"`) {
			t.Errorf("%s: the stream ends with %q", network, last)
		}
	}
}

// TestStopInTheMiddle: when the drain time is over, a stream under way is not
// cut silently either.
func TestStopInTheMiddle(t *testing.T) {
	var log bytes.Buffer
	t.Cleanup(func() { // after the server has ended
		if want := `"msg":"draining","at_most":"20ms"`; !strings.Contains(log.String(), want) {
			t.Errorf("log without %s:\n%s", want, log.String())
		}
	})
	f := world{cloud: hanging(2), drain: 20 * time.Millisecond, log: slog.NewJSONHandler(&log, nil)}.open(t)
	resp := f.stream(turn(`"model":"cloud","stream":true`))
	defer resp.Body.Close()
	f.stop()
	got := lines(t, resp.Body)
	if len(got) != 3 || !strings.Contains(got[1], "word1") || !strings.Contains(got[2], `"shutting_down"`) {
		t.Errorf("stream:\n%s", strings.Join(got, "\n"))
	}
}

// TestStopWaits: what can end within the drain time ends well.
func TestStopWaits(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	local := slowly(release, says("local/small", "Paris."))
	f := world{local: func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		close(began)
		return local(ctx, call)
	}}.open(t)
	go func() {
		<-began
		f.stop()
		close(release)
	}()
	if got := f.chat(hello); got.status != 200 || !strings.Contains(got.body, "Paris.") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// upstream is a server that answers every call with one body.
type upstream struct{ body io.ReadCloser }

func (u upstream) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: u.body}, nil
}

// TestEachChunkAtOnce sends every event only after the one before has reached
// the caller, and at last some together.
func TestEachChunkAtOnce(t *testing.T) {
	t.Parallel()
	body, write := io.Pipe()
	up := client.Client{Base: "http://up/v1", HTTP: upstream{body}}
	f := world{local: func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		call.Tried(openai.Attempt{Target: "local/small", Start: time.Now(), Result: "ok"})
		s, err := up.ChatStream(ctx, call.Request.Body("m"), completion.Shape{})
		if err != nil {
			return nil, err
		}
		return &openai.Reply{Target: "local/small", Stream: s, Answer: s.Answer}, s.Prime(1)
	}}.open(t)
	chunk := func(word, finish string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"` + word + `"},"finish_reason":` + finish + `}]}` + "\n\n"
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(write, chunk("w0", "null"))
	}()
	got := f.stream(ask)
	defer got.Body.Close()
	<-sent
	lines := bufio.NewScanner(got.Body)
	meets := func(word string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), word) {
				return
			}
		}
		t.Fatalf("the stream ended before %s: %v", word, lines.Err())
	}
	meets("w0")
	for i := range 20 {
		word := fmt.Sprint("word", i)
		io.WriteString(write, chunk(word, "null"))
		meets(word)
	}
	io.WriteString(write, chunk("a1", "null")+chunk("a2", "null")+chunk("a3", `"stop"`)+"data: [DONE]\n\n")
	for _, word := range []string{"a1", "a2", "a3", "[DONE]"} {
		meets(word)
	}
}
