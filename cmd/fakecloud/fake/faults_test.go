package fake_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

func TestStatus(t *testing.T) {
	f := func(fault fake.Fault, kind, code string) {
		t.Helper()
		b := newBench(t, fake.Options{})
		b.set(fault)
		for _, path := range []string{chatPath, modelsPath} {
			status, header, body := b.call(path, plain)
			bad := b.object(body)["error"].(map[string]any)
			if status != fault.Status || bad["type"] != kind || bad["message"] == "" || !sameCode(bad["code"], code) {
				t.Errorf("%v: got %d %s", fault, status, body)
			}
			if fault.RetryAfterS > 0 && (header.Get("Retry-After") != "2" || header.Get("Retry-After-Ms") != "150") {
				t.Errorf("%v: got headers %v", fault, header)
			}
		}
	}
	f(fake.Fault{Kind: fake.Status, Status: 500}, "server_error", "")
	f(fake.Fault{Kind: fake.Status, Status: 503, RetryAfterS: 2, RetryAfterMS: 150}, "server_error", "")
	f(fake.Fault{Kind: fake.Status, Status: 599}, "server_error", "")
	f(fake.Fault{Kind: fake.Status, Status: 429}, "requests", "rate_limit_exceeded")
	f(fake.Fault{Kind: fake.Status, Status: 401}, "invalid_request_error", "invalid_api_key")
	f(fake.Fault{Kind: fake.Status, Status: 418}, "invalid_request_error", "")
}

func sameCode(got any, want string) bool { return got == want || got == nil && want == "" }

func TestCount(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.Status, Status: 500, Count: 2})
	for i, want := range []int{500, 500, 200} {
		if status, _, _ := b.call(chatPath, plain); status != want {
			t.Errorf("call %d: got %d, want %d", i, status, want)
		}
	}
	if got := b.server.Fault(); got != (fake.Fault{Kind: fake.None}) {
		t.Errorf("got %v, want none", got)
	}
}

func TestCountIsKeptForCallsItTouches(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.EndStream, Count: 1})
	b.call(modelsPath, "")
	b.call(chatPath, plain)
	if got := b.server.Fault(); got.Count != 1 {
		t.Errorf("got %v, want a count of 1", got)
	}
	if _, _, body := b.call(chatPath, streamed); len(body) != 0 {
		t.Errorf("got %q, want nothing", body)
	}
}

func TestRefusedAndBack(t *testing.T) {
	b := newBench(t, fake.Options{})
	for range 3 {
		b.call(chatPath, plain) // the client keeps the connection
		b.set(fake.Fault{Kind: fake.Refused})
		b.refused()
		b.set(fake.Fault{Kind: fake.None})
		if status, _, _ := b.call(chatPath, plain); status != 200 {
			t.Fatalf("got %d, want 200", status)
		}
	}
	if got := b.server.State(); got.Connections != 4 || got.Calls[chatPath] != 6 || got.Cancelled != 0 {
		t.Errorf("got %+v, want 4 connections, 6 calls", got)
	}
}

func TestRefusedLetsCallsFinish(t *testing.T) {
	b := newBench(t, fake.Options{TokensPerSecond: 50})
	resp, err := b.try(chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b.set(fake.Fault{Kind: fake.Refused})
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("got %v and %q, want a whole stream", err, body)
	}
	b.refused()
}

func TestRefusedFromTheStart(t *testing.T) {
	server := fake.New(fake.Options{})
	defer server.Close()
	if err := server.Set(fake.Fault{Kind: fake.Refused}); err != nil {
		t.Fatal(err)
	}
	if err := server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(server.URL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want refused", err)
	}
}

func TestLatency(t *testing.T) {
	b := newBench(t, fake.Options{})
	f := func(fault fake.Fault, want int) {
		t.Helper()
		b.set(fault)
		begun := time.Now()
		status, _, _ := b.call(chatPath, plain)
		if took := time.Since(begun); status != want || took < 30*time.Millisecond {
			t.Errorf("%v: got %d in %v", fault, status, took)
		}
	}
	f(fake.Fault{Kind: fake.Latency, MS: 30}, 200)
	f(fake.Fault{Kind: fake.Status, Status: 503, MS: 30}, 503)
}

func TestHangUntilClientGivesUp(t *testing.T) {
	b := newBench(t, fake.Options{})
	f := func(fault fake.Fault) {
		t.Helper()
		b.server.Reset()
		b.set(fault)
		ctx, giveUp := context.WithCancel(b.ctx)
		failed := make(chan error)
		go func() {
			_, err := b.tryIn(ctx, chatPath, plain)
			failed <- err
		}()
		b.wait(func(s fake.State) bool { return s.InFlight == 1 })
		giveUp()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%v: got %v, want canceled", fault, err)
		}
		b.wait(func(s fake.State) bool { return s.InFlight == 0 && s.Cancelled == 1 })
	}
	f(fake.Fault{Kind: fake.Hang})
	f(fake.Fault{Kind: fake.Latency, MS: 3_600_000})
}

func TestCloseEndsHang(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.Hang})
	failed := make(chan error)
	go func() {
		_, err := b.try(chatPath, plain)
		failed <- err
	}()
	b.wait(func(s fake.State) bool { return s.InFlight == 1 })
	b.server.Close()
	if err := <-failed; err == nil {
		t.Error("got an answer, want an error")
	}
	if got := b.server.State(); got.Cancelled != 0 || got.InFlight != 0 {
		t.Errorf("got %+v, want nothing cancelled by the client", got)
	}
}

// TestBrokenStreams plays the faults that end a stream after two chunks.
func TestBrokenStreams(t *testing.T) {
	f := func(kind fake.Kind, wantErr error, wantEvents int, tail string) {
		t.Helper()
		b := newBench(t, fake.Options{})
		b.set(fake.Fault{Kind: kind, After: 2})
		resp, err := b.try(chatPath, streamed)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		events := events(string(body))
		if !errors.Is(err, wantErr) || len(events) != wantEvents || !strings.Contains(events[len(events)-1], tail) {
			t.Errorf("%s: got %v and %q", kind, err, body)
		}
		if strings.Contains(string(body), "[DONE]") || strings.Contains(string(body), `"stop"`) {
			t.Errorf("%s: the stream was finished: %q", kind, body)
		}
	}
	f(fake.CutStream, io.ErrUnexpectedEOF, 2, "fakecloud")
	f(fake.EndStream, nil, 2, "fakecloud")
	f(fake.ErrorStream, nil, 3, `{"error":{"message":"The server had`)
}

// TestStreamAlwaysBreaks asks for more chunks than there are.
func TestStreamAlwaysBreaks(t *testing.T) {
	b := newBench(t, fake.Options{Words: 2})
	b.set(fake.Fault{Kind: fake.EndStream, After: 1000})
	_, _, body := b.call(chatPath, streamed)
	if got := events(body); len(got) != 5 || strings.Contains(body, `"stop"`) {
		t.Errorf("got %q, want the role and four words", got)
	}
}

func TestHangStream(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.HangStream, After: 3})
	resp, err := b.try(chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	got := b.readEvents(resp.Body, 3)
	if state := b.server.State(); state.InFlight != 1 || len(got) != 3 {
		t.Errorf("got %q with %+v, want three events of a call still there", got, state)
	}
	resp.Body.Close()
	b.wait(func(s fake.State) bool { return s.InFlight == 0 && s.Cancelled == 1 })
}

func TestCutJSON(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.CutJSON, After: 2})
	for path, body := range map[string]string{chatPath: plain, modelsPath: ""} {
		status, header, text := b.call(path, body)
		if status != 200 || valid(text) || header.Get("Content-Type") != "application/json" || text == "" {
			t.Errorf("%s: got %d %v %q", path, status, header, text)
		}
	}
	_, _, text := b.call(chatPath, streamed)
	for i, event := range events(text) {
		if valid(event) == (i == 2) && event != "[DONE]" {
			t.Errorf("event %d: got %q", i, event)
		}
	}
	if !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("got %q, want [DONE] at the end", text)
	}
}

func TestHTML(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.HTML})
	status, header, body := b.call(chatPath, streamed)
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.Contains(body, "password") {
		t.Errorf("got %d %v %q", status, header, body)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.set(fake.Fault{Kind: fake.Empty})
	_, _, body := b.call(chatPath, plain)
	choice := b.object(body)["choices"].([]any)[0].(map[string]any)
	if choice["message"].(map[string]any)["content"] != "" || choice["finish_reason"] != "stop" {
		t.Errorf("empty: got %s", body)
	}
	if _, _, body := b.call(chatPath, streamed); b.text(body) != "" || len(events(body)) != 3 {
		t.Errorf("empty stream: got %s", body)
	}
	b.set(fake.Fault{Kind: fake.NoChoices})
	_, _, body = b.call(chatPath, plain)
	if choices, ok := b.object(body)["choices"].([]any); !ok || len(choices) != 0 {
		t.Errorf("no_choices: got %s", body)
	}
	_, _, body = b.call(chatPath, streamed)
	if got := events(body); len(got) != 2 || !strings.Contains(got[0], `"choices":[]`) || got[1] != "[DONE]" {
		t.Errorf("no_choices stream: got %q", got)
	}
}

func TestSlowBody(t *testing.T) {
	for _, body := range []string{plain, streamed} {
		b := newBench(t, fake.Options{})
		b.set(fake.Fault{Kind: fake.SlowBody})
		resp, err := b.try(chatPath, body)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 80*time.Millisecond {
			t.Errorf("three bytes took %v, want 50 ms each", took)
		}
		resp.Body.Close()
		b.wait(func(s fake.State) bool { return s.Cancelled == 1 })
	}
}

func TestHandlerAlone(t *testing.T) {
	server := fake.New(fake.Options{})
	defer server.Close()
	if server.URL() != "" || server.ControlURL() != "" {
		t.Errorf("got URLs %q %q before Listen", server.URL(), server.ControlURL())
	}
	if err := server.Set(fake.Fault{Kind: fake.Refused}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("got %v, want an aborted handler", got)
		}
	}()
	serve(server, plain)
}
