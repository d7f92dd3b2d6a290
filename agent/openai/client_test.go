package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// server runs h and gives a client for it.
func server(t *testing.T, h http.HandlerFunc) *openai.Client {
	t.Helper()
	s := httptest.NewServer(h)
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); s.Close() })
	return &openai.Client{Base: s.URL + "/v1", Key: "secret", HTTP: transport}
}

// send writes and flushes one piece of a stream.
func send(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, text)
	w.(http.Flusher).Flush()
}

const plain = `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},` +
	`"logprobs":{"content":[{"token":"Hello","logprob":-0.1}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2},"timings":{"x":1},"exotic":1}`

func TestChat(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" ||
			r.Header.Get("Content-Type") != "application/json" || string(body) != `{"a":1}` {
			t.Errorf("asked %s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		_, _ = io.WriteString(w, plain)
	})
	for _, shape := range []openai.Shape{{}, {Strip: true}} {
		a, body, err := c.Chat(t.Context(), []byte(`{"a":1}`), shape)
		if err != nil || a.Text() != "Hello" || a.Finish != "stop" || a.Model != "m" || a.Usage.In != 3 || a.Usage.Out != 2 || len(a.Tokens) != 1 {
			t.Fatalf("got %+v, %v", a, err)
		}
		if strings.Contains(string(body), "logprobs") == shape.Strip || !strings.Contains(string(body), `"exotic":1`) {
			t.Errorf("%+v: body %s", shape, body)
		}
	}
}

// TestPrepare asks as two copies of a prepared client and as one that is not:
// all that differs is the trace, and what a new connection has to send again is
// there.
func TestPrepare(t *testing.T) {
	var asked []string
	c := openai.Client{Base: "http://server/v1/", Key: "secret", HTTP: trip(func(r *http.Request) (*http.Response, error) {
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		first, _ := io.ReadAll(r.Body)
		second, _ := io.ReadAll(again)
		asked = append(asked, fmt.Sprint(r.Method, r.URL, r.Host, r.Header, r.ContentLength, string(first), string(second)))
		return nil, io.ErrUnexpectedEOF
	})}
	for range 2 {
		for _, trace := range []string{"one", "", "two"} {
			call := c
			call.Trace = trace
			if _, _, err := call.Chat(t.Context(), []byte(`{"trace":"`+trace+`"}`), openai.Shape{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
		}
		c.Prepare()
	}
	if got, want := asked[3:], asked[:3]; !slices.Equal(got, want) || !strings.Contains(got[2], "Traceparent:[two]") {
		t.Errorf("prepared asked\n%q, want\n%q", got, want)
	}
}

// TestChatOddShapes asks for answers that are good but for a field or two.
func TestChatOddShapes(t *testing.T) {
	const call = `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}}]}`
	message := strings.NewReplacer(`{"role":"assistant","content":"Hello"}`, call)
	tests := []struct{ name, body, text, finish string }{
		{"created", strings.Replace(plain, ":7,", `:1.5,`, 1), "Hello", "stop"},
		{"created as text", strings.Replace(plain, ":7,", `:"7",`, 1), "Hello", "stop"},
		{"usage", strings.Replace(plain, ":3,", `:3.0,`, 1), "Hello", "stop"},
		{"usage as text", strings.Replace(plain, `:3,`, `:"3",`, 1), "Hello", "stop"},
		{"id", strings.Replace(plain, `"c1"`, `7`, 1), "Hello", "stop"},
		{"index", strings.Replace(plain, `"index":0`, `"index":"0"`, 1), "Hello", "stop"},
		{"index from one", strings.Replace(plain, `"index":0`, `"index":1`, 1), "Hello", "stop"},
		{"finish", strings.Replace(plain, `"stop"`, `1`, 1), "Hello", "stop"},
		{"no finish", strings.Replace(plain, `"stop"`, `null`, 1), "Hello", "stop"},
		{"logprobs", strings.Replace(plain, `-0.1`, `"-inf"`, 1), "Hello", "stop"},
		{"content in parts", strings.Replace(plain, `"Hello"}`, `[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]}`, 1), "Hello", "stop"},
		{"not UTF-8", strings.Replace(plain, "Hello", "H\xffllo", 1), "H\uFFFDllo", "stop"},
		{"sound", strings.Replace(plain, `"content":"Hello"`, `"content":null,"audio":{"data":"AA"}`, 1), "", "stop"},
		{"old calls", strings.Replace(plain, `"content":"Hello"`, `"content":null,"function_call":{"name":"f"}`, 1), "", "stop"},
		{"calls that stop", message.Replace(plain), "", "tool_calls"},
	}
	for _, tt := range tests {
		c := &openai.Client{Base: "http://server/v1", HTTP: canned{"application/json", tt.body}}
		a, body, err := c.Chat(t.Context(), nil, openai.Shape{})
		if err != nil || a.Text() != tt.text || a.Finish != tt.finish || a.Usage.In != 3 || a.Usage.Out != 2 {
			t.Errorf("%s: got %+v, %v", tt.name, a, err)
		}
		if !utf8.Valid(body) || !strings.Contains(string(body), `"finish_reason":"`+tt.finish) && tt.name != "finish" || !strings.Contains(string(body), `"exotic":1`) {
			t.Errorf("%s: body %q", tt.name, body)
		}
	}
}

func TestChatEmpty(t *testing.T) {
	for _, words := range []string{`""`, `" \n\t"`, `null`, `"","reasoning_content":"hm"`, `"","audio":null,"annotations":[]`} {
		c := &openai.Client{Base: "http://server/v1", HTTP: canned{"application/json", strings.Replace(plain, `"Hello"}`, words+"}", 1)}}
		a, body, err := c.Chat(t.Context(), nil, openai.Shape{Strip: true})
		if !errors.Is(err, fault.ErrEmpty) || a == nil || a.Finish != "stop" || !strings.Contains(string(body), `"exotic":1`) || strings.Contains(string(body), "logprobs") {
			t.Errorf("%s: got %v, %s, %v", words, a, body, err)
		}
	}
}

func TestChatFaults(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want error
		word string
	}{
		{"HTML", says("<html>sign in</html>"), fault.ErrBroken, "broken"},
		{"nothing", says(""), fault.ErrBroken, "broken"},
		{"no choices", says(`{"choices":[]}`), fault.ErrBroken, "broken"},
		{"null error", says(`{"error":null}`), fault.ErrBroken, "broken"},
		{"cut JSON", says(plain[:50]), fault.ErrBroken, "broken"},
		{"too much", says(strings.Repeat(" ", 33<<20)), fault.ErrBroken, "broken"},
		{"no words", says(strings.Replace(plain, "Hello", "", 1)), fault.ErrEmpty, "empty"},
		{"cut body", func(w http.ResponseWriter, _ *http.Request) { send(w, plain[:50]); panic(http.ErrAbortHandler) }, fault.ErrCut, "cut"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, fault.ErrBroken, "broken"},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, fault.ErrBroken, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := server(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("followed the redirect")
				}
				tt.h(w, r)
			})
			_, _, err := c.Chat(t.Context(), nil, openai.Shape{})
			if !errors.Is(err, tt.want) || fault.Result(err) != tt.word {
				t.Errorf("got %v (%s), want %v", err, fault.Result(err), tt.want)
			}
		})
	}
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func TestErrorReplies(t *testing.T) {
	tests := []struct {
		name, body string
		want       fault.Error
	}{
		{"OpenAI", `{"error":{"message":"no","type":"rate_limit_error","param":"model","code":"slow_down"}}`, fault.Error{Type: "rate_limit_error", Message: "no", Param: "model", Code: "slow_down"}},
		{"OpenAI nulls", `{"error":{"message":"no","type":"t","param":null,"code":null}}`, fault.Error{Type: "t", Message: "no"}},
		{"code as number", `{"error":{"message":"no","code":429,"param":{}}}`, fault.Error{Type: "rate_limit_error", Message: "no", Code: "429"}},
		{"Anthropic", `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`, fault.Error{Type: "overloaded_error", Message: "no"}},
		{"Ollama", `{"error":"no"}`, fault.Error{Type: "rate_limit_error", Message: "no"}},
		{"plain text", " too much,\nwait\n", fault.Error{Type: "rate_limit_error", Message: "too much,\nwait"}},
		{"long text", strings.Repeat("no ", 200), fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"bytes", "no\x00", fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"vLLM", `{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}`, fault.Error{Type: "BadRequestError", Message: "no", Code: "400"}},
		{"FastAPI", `{"detail":"no"}`, fault.Error{Type: "rate_limit_error", Message: "no"}},
		{"words of a wrong type", `{"error":{"message":["no"]},"detail":[{}]}`, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"HTML", `<h1>no</h1>`, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
		{"Google", `[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]`, fault.Error{Type: "rate_limit_error", Message: "no", Code: "400"}},
		{"nothing", ``, fault.Error{Type: "rate_limit_error", Message: "Too Many Requests"}},
	}
	for _, tt := range tests {
		c := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			says(tt.body)(w, nil)
		})
		_, err := c.ChatStream(t.Context(), nil, openai.Shape{})
		tt.want.Status = http.StatusTooManyRequests
		if e := asError(t, err); *e != tt.want || fault.Result(fmt.Errorf("ask: %w", err)) != "status_429" {
			t.Errorf("%s: got %+v", tt.name, e)
		}
	}
	for status, kind := range map[int]string{400: "invalid_request_error", 422: "invalid_request_error", 429: "rate_limit_error", 404: "upstream_error", 500: "upstream_error"} {
		c := server(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, _, err := c.Chat(t.Context(), nil, openai.Shape{})
		if e := asError(t, err); e.Type != kind || e.OfRequest() != (kind == "invalid_request_error") {
			t.Errorf("%d: type %s, of the request: %v", status, e.Type, e.OfRequest())
		}
	}
	if got := string(fault.Invalid("n", "n is %d.", 2).Body()); got != `{"error":{"code":null,"message":"n is 2.","param":"n","type":"invalid_request_error"}}` {
		t.Errorf("body %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name, seconds, ms string
		least, most       time.Duration
	}{
		{"absent", "", "", 0, 0},
		{"seconds", "2", "", 2 * time.Second, 2 * time.Second},
		{"fraction", "0.5", "", time.Second / 2, time.Second / 2},
		{"milliseconds first", "2", "150", 150 * time.Millisecond, 150 * time.Millisecond},
		{"date", date(time.Hour), "", 59 * time.Minute, time.Hour},
		{"date gone by", date(-time.Hour), "", 0, 0},
		{"negative", "-5", "-5", 0, 0},
		{"absurd", "1e300", "Inf", 0, 0},
		{"words", "soon", "NaN", 0, 0},
	}
	for _, tt := range tests {
		c := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tt.seconds)
			w.Header().Set("retry-after-ms", tt.ms)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, _, err := c.Chat(t.Context(), nil, openai.Shape{})
		if got := asError(t, err).RetryAfter; got < tt.least || got > tt.most {
			t.Errorf("%s: got %v, want %v to %v", tt.name, got, tt.least, tt.most)
		}
	}
}

func TestStreamBySplitWrites(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, b := range sse(hel, lo, end) {
			send(w, string(b))
		}
	})
	s, err := c.ChatStream(t.Context(), nil, openai.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := drain(t, s); err != io.EOF || len(got) != 3 || s.Answer.Text() != "Hello" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestNotAStream(t *testing.T) {
	for name, kind := range map[string]string{plain: "application/json", "<html>": "text/html", "?": ""} {
		c := &openai.Client{Base: "http://server", HTTP: canned{kind, name}}
		if _, err := c.ChatStream(t.Context(), nil, openai.Shape{}); !errors.Is(err, fault.ErrBroken) {
			t.Errorf("%s: got %v, want ErrBroken", kind, err)
		}
	}
}

// TestStreamBreaks reads one chunk, lets the test break the stream, and looks
// at what the next read says.
func TestStreamBreaks(t *testing.T) {
	type hands struct {
		stream *openai.Stream
		cancel context.CancelCauseFunc
		more   chan string // what the server does next
	}
	why := errors.New("the caller's reason")
	tests := []struct {
		name  string
		shape openai.Shape
		act   func(hands)
		want  error
		word  string
	}{
		{"TCP reset", openai.Shape{}, func(h hands) { h.more <- "reset" }, fault.ErrCut, "cut"},
		{"connection closed", openai.Shape{}, func(h hands) { h.more <- "abort" }, fault.ErrCut, "cut"},
		{"body ends", openai.Shape{}, func(h hands) { h.more <- "end" }, fault.ErrCut, "cut"},
		{"reset after the finish", openai.Shape{}, func(h hands) { h.more <- end; h.more <- "reset" }, io.EOF, "unreachable"},
		{"silence", openai.Shape{Silence: 20 * time.Millisecond}, func(hands) {}, fault.ErrStalled, "stalled"},
		{"cancelled", openai.Shape{}, func(h hands) { h.cancel(nil) }, context.Canceled, "cancelled"},
		{"cancelled with a cause", openai.Shape{}, func(h hands) { h.cancel(why) }, why, "unreachable"},
		{"closed", openai.Shape{Silence: time.Hour}, func(h hands) { h.stream.Close(); h.stream.Close() }, context.Canceled, "cancelled"},
		{"closed while it is read", openai.Shape{}, func(h hands) { go h.stream.Close() }, context.Canceled, "cancelled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			more := make(chan string, 2)
			c := server(t, func(w http.ResponseWriter, r *http.Request) { breakable(w, r, more) })
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s, err := c.ChatStream(ctx, nil, tt.shape)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if chunk, err := s.Next(); err != nil || string(chunk) != hel {
				t.Fatalf("got %s, %v", chunk, err)
			}
			tt.act(hands{s, cancel, more})
			if _, err := drain(t, s); !errors.Is(err, tt.want) || fault.Result(err) != tt.word {
				t.Errorf("got %v (%s), want %v", err, fault.Result(err), tt.want)
			}
		})
	}
}

// breakable sends a chunk and then does what it is told.
func breakable(w http.ResponseWriter, r *http.Request, more <-chan string) {
	send(w, "data: "+hel+"\n\n")
	for {
		select {
		case <-r.Context().Done():
			return
		case what := <-more:
			switch what {
			case "end":
				return
			case "abort":
				panic(http.ErrAbortHandler)
			case "reset":
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_ = conn.(*net.TCPConn).SetLinger(0)
					_ = conn.Close()
				}
				return
			}
			send(w, "data: "+what+"\n\n")
		}
	}
}

func TestNoAnswer(t *testing.T) {
	c := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	late, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	spent, cancel := context.WithCancelCause(t.Context())
	cancel(fault.ErrTimeout)
	for ctx, word := range map[context.Context]string{late: "timeout", spent: "timeout"} {
		if _, _, err := c.Chat(ctx, nil, openai.Shape{}); fault.Result(err) != word {
			t.Errorf("got %v, want %s", err, word)
		}
		if err := c.Ping(ctx); fault.Result(err) != word {
			t.Errorf("ping: got %v, want %s", err, word)
		}
	}
	gone := &openai.Client{Base: "http://127.0.0.1:1/v1", HTTP: &http.Transport{}}
	if _, err := gone.ChatStream(t.Context(), nil, openai.Shape{}); fault.Result(err) != "unreachable" {
		t.Errorf("got %v, want unreachable", err)
	}
	if _, _, err := (&openai.Client{Base: ":"}).Chat(t.Context(), nil, openai.Shape{}); err == nil {
		t.Error("a base that is no URL was taken")
	}
}

// stream is a client of a server that says its words, each after a pause, and
// then leaves the connection open.
func stream(t *testing.T, pause time.Duration, words ...string) *openai.Client {
	t.Helper()
	return &openai.Client{Base: "http://server/v1", HTTP: trip(func(r *http.Request) (*http.Response, error) {
		out, in := io.Pipe()
		go func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for _, w := range words {
				select {
				case <-tick.C:
					_, _ = io.WriteString(in, "data: "+w+"\n\n")
				case <-r.Context().Done():
				}
			}
			<-r.Context().Done()
			in.CloseWithError(r.Context().Err())
		}()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: out}, nil
	})}
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSilence counts how long a server may say nothing: as long as the caller
// likes before the stream is handed out, and hardly at all after the end.
func TestSilence(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		pause time.Duration
		want  error
		took  time.Duration
	}{
		{"before the first token", []string{hel, end}, time.Minute, fault.ErrStalled, 90 * time.Second},
		{"after the end", []string{hel, lo, end}, time.Second, io.EOF, 5 * time.Second},
		{"after the usage", []string{hel, end, usage}, time.Second, io.EOF, 3100 * time.Millisecond},
		{"after an end that was none", []string{hel, end, lo}, time.Second, fault.ErrStalled, 33 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s, err := stream(t, tt.pause, tt.words...).ChatStream(t.Context(), nil, openai.Shape{Silence: 30 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Prime(1); err != nil {
					t.Errorf("primed: %v", err)
				}
				if got, err := drain(t, s); !errors.Is(err, tt.want) || time.Since(start) != tt.took {
					t.Errorf("got %s, %v after %v; want %v after %v", got, err, time.Since(start), tt.want, tt.took)
				}
			})
		})
	}
}

// TestSlowReader: the time that it takes to hand an event on is not the target's.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := stream(t, time.Second, hel, lo)
		var call context.Context
		inner := c.HTTP
		c.HTTP = trip(func(r *http.Request) (*http.Response, error) {
			call = r.Context()
			return inner.RoundTrip(r)
		})
		s, err := c.ChatStream(t.Context(), nil, openai.Shape{Silence: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Idle = func() { time.Sleep(time.Minute) }
		for range 2 {
			if _, err := s.Next(); err != nil || call.Err() != nil {
				t.Fatalf("got %v, the call ended: %v", err, call.Err())
			}
		}
	})
}

func TestResult(t *testing.T) {
	safe := httptest.NewTLSServer(says(plain))
	defer safe.Close()
	safe.Config.ErrorLog = log.New(io.Discard, "", 0)
	bare := httptest.NewServer(says(plain))
	defer bare.Close()
	for _, url := range []string{safe.URL, strings.Replace(bare.URL, "http:", "https:", 1)} {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		if _, _, err := (&openai.Client{Base: url, HTTP: transport}).Chat(t.Context(), nil, openai.Shape{}); fault.Result(err) != "tls" {
			t.Errorf("%s: got %v (%s), want tls", url, err, fault.Result(err))
		}
	}
	for _, err := range []error{context.Canceled, errors.Join(fault.ErrTimeout, context.Canceled), errors.Join(&fault.Error{Status: 500}, context.Canceled)} {
		if got := fault.Result(err); got != "cancelled" {
			t.Errorf("%v: got %s, want cancelled", err, got)
		}
	}
}

// TestPing tells a list of models from what else may answer in its place.
func TestPing(t *testing.T) {
	for _, x := range []struct {
		status int
		to     string
		body   string
		want   string
	}{
		{200, "", ` {"object":"list","data":[]}`, ""},
		{200, "", "<html>sign in</html>", "broken reply: no list of models"},
		{200, "", `{"cut":`, "broken reply: no list of models"},
		{401, "", `{"error":{"message":"who?"}}`, "401 upstream_error: who?"},
		{302, "http://portal.example/", "", "broken reply: status 302, redirects are not followed, to portal.example"},
		{307, "/v2/models", "", "broken reply: status 307, redirects are not followed"},
		{511, "", "", "511 upstream_error: Network Authentication Required"},
	} {
		c := server(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "GET" || r.URL.Path != "/v1/models" {
				t.Errorf("asked %s %s", r.Method, r.URL)
			}
			w.Header().Set("Location", x.to)
			w.WriteHeader(x.status)
			_, _ = io.WriteString(w, x.body)
		})
		got := ""
		if err := c.Ping(t.Context()); err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%d %s: got %q, want %q", x.status, x.body, got, x.want)
		}
	}
}

// TestSendElsewhere: a reply that leads to another host tells of a portal.
func TestSendElsewhere(t *testing.T) {
	c := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.invalid/login", http.StatusFound)
	})
	_, err := c.Send(t.Context(), http.MethodPost, "/embeddings", nil)
	var to *fault.Redirect
	if !errors.As(err, &to) || to.Host != "portal.invalid" || !errors.Is(err, fault.ErrBroken) {
		t.Errorf("got %v", err)
	}
}

// TestKeyIsHidden: an error that quotes the key does not, however JSON writes it.
func TestKeyIsHidden(t *testing.T) {
	for _, body := range []string{`{"error":{"message":"bad key sec/ret+key"}}`, `{"error":{"message":"bad key sec\/ret\u002bkey"}}`, "bad key sec/ret+key"} {
		c := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			says(body)(w, nil)
		})
		c.Key, c.Hide = "sec/ret+key", []byte("sec/ret+key")
		_, _, chat := c.Chat(t.Context(), nil, openai.Shape{})
		_, send := c.Send(t.Context(), http.MethodPost, "/embeddings", nil)
		for _, err := range []error{chat, send} {
			if e := asError(t, err); e.Message != "bad key [redacted]" {
				t.Errorf("%s: got %q", body, e.Message)
			}
		}
	}
}
