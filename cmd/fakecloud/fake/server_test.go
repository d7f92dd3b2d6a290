package fake_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/cmd/fakecloud/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlainAndStreamSayTheSame(t *testing.T) {
	b := newBench(t, fake.Options{Name: "blue"})
	status, header, body := b.call(chatPath, plain)
	answer := b.object(body)
	message := answer["choices"].([]any)[0].(map[string]any)["message"].(map[string]any)
	text := message["content"].(string)
	if status != 200 || answer["object"] != "chat.completion" || answer["model"] != "fake-model" || !strings.HasPrefix(text, "blue answers: ") {
		t.Errorf("got %d %s", status, body)
	}
	if header.Get("X-Request-Id") == "" || answer["id"] == "" {
		t.Errorf("got headers %v, id %v", header, answer["id"])
	}
	_, header, stream := b.call(chatPath, streamed)
	if got := b.text(stream); got != text || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("streamed %q as %s, want %q", got, header.Get("Content-Type"), text)
	}
}

// TestStreamShape holds the stream to what strict clients need.
func TestStreamShape(t *testing.T) {
	for _, include := range []bool{false, true} {
		b := newBench(t, fake.Options{Words: 4})
		body := streamed
		if include {
			body = strings.Replace(body, `true}`, `true,"stream_options":{"include_usage":true}}`, 1)
		}
		_, _, stream := b.call(chatPath, body)
		list := events(stream)
		if list[len(list)-1] != "[DONE]" {
			t.Fatalf("got %q, want [DONE] last", list)
		}
		list = list[:len(list)-1]
		if include {
			last := b.object(list[len(list)-1])
			if usage := last["usage"].(map[string]any); len(last["choices"].([]any)) != 0 || usage["completion_tokens"] != 6.0 {
				t.Errorf("got %v, want usage and no choices", last)
			}
			list = list[:len(list)-1]
		}
		for i, event := range list {
			checkChunk(t, b.object(event), i == len(list)-1, include)
		}
	}
}

func checkChunk(t *testing.T, chunk map[string]any, final, include bool) {
	t.Helper()
	choice := chunk["choices"].([]any)[0].(map[string]any)
	reason, there := choice["finish_reason"]
	if !there || (reason == "stop") != final || (reason == nil) == final {
		t.Errorf("got finish_reason %v in %v, final: %v", reason, chunk, final)
	}
	if usage, there := chunk["usage"]; there != include || usage != nil {
		t.Errorf("got usage %v in %v, want null: %v", usage, chunk, include)
	}
	if chunk["object"] != "chat.completion.chunk" || choice["index"] != 0.0 {
		t.Errorf("got %v", chunk)
	}
}

func TestStreamTakesItsTime(t *testing.T) {
	b := newBench(t, fake.Options{TokensPerSecond: 100, FirstByte: 20 * time.Millisecond, Words: 3})
	begun := time.Now()
	b.call(chatPath, streamed)
	if took := time.Since(begun); took < 90*time.Millisecond {
		t.Errorf("took %v, want 20 ms and 7 chunks of 10 ms", took)
	}
}

func TestPlainTakesItsTime(t *testing.T) {
	b := newBench(t, fake.Options{TokensPerSecond: 100, FirstByte: 20 * time.Millisecond, Words: 3})
	begun := time.Now()
	b.call(chatPath, plain)
	if took := time.Since(begun); took < 70*time.Millisecond {
		t.Errorf("took %v, want 20 ms and 5 tokens of 10 ms", took)
	}
}

func TestKey(t *testing.T) {
	b := newBench(t, fake.Options{Key: "sk-right"})
	f := func(key string, want int, code any) {
		t.Helper()
		b.key = key
		status, _, body := b.call(chatPath, plain)
		if status != want {
			t.Fatalf("key %q: got %d %s, want %d", key, status, body, want)
		}
		if want == 401 && b.object(body)["error"].(map[string]any)["code"] != code {
			t.Errorf("key %q: got %s, want code %v", key, body, code)
		}
		if strings.Contains(body, "secret") {
			t.Errorf("the key is in %s", body)
		}
	}
	f("sk-right", 200, nil)
	f("sk-secret", 401, "invalid_api_key")
	f("", 401, nil)
}

func TestRoutes(t *testing.T) {
	b := newBench(t, fake.Options{Models: []string{"one", "team/two"}})
	f := func(path, body string, want int, part string) {
		t.Helper()
		status, header, text := b.call(path, body)
		if status != want || !strings.Contains(text, part) || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: got %d %s, want %d with %s", path, body, status, text, want, part)
		}
	}
	f("/v1/models", "", 200, `"id":"team/two"`)
	f("/v1/models/team/two", "", 200, `"object":"model"`)
	f("/v1/models/three", "", 404, `"code":"model_not_found"`)
	f("/v1/models", "{}", 405, `"code":"method_not_supported"`)
	f("/v1/chat/completions", "", 405, `"code":"method_not_supported"`)
	f("/v1/images", "{}", 404, `Invalid URL (POST /v1/images)`)
	f("/v1/chat/completions", plain, 404, "The model `fake-model` does not exist")
	f("/v1/chat/completions", `{"model":"one"}`, 400, `"param":"messages"`)
	f("/v1/chat/completions", strings.Repeat(" ", 16<<20+1), 413, `"code":"request_too_large"`)
}

func TestContentType(t *testing.T) {
	b := newBench(t, fake.Options{})
	resp, err := b.client.Post(b.server.URL()+chatPath, "text/plain", strings.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("got %d, %v, want 415", resp.StatusCode, err)
	}
}

func TestStateRecords(t *testing.T) {
	b := newBench(t, fake.Options{Name: "blue", Key: "k"})
	b.call(chatPath, plain)
	b.call(modelsPath, "")
	b.call(chatPath, streamed)
	b.wait(func(s fake.State) bool { return s.InFlight == 0 })
	got := b.server.State()
	if got.Name != "blue" || got.Calls[chatPath] != 2 || got.Calls[modelsPath] != 1 || got.Connections != 1 || got.Cancelled != 0 {
		t.Errorf("got %+v", got)
	}
	if got.Last.Body != streamed || got.Last.Header.Get("Authorization") != "Bearer k" || got.Last.Path != chatPath {
		t.Errorf("got last %+v", *got.Last)
	}
	b.server.Reset()
	if got := b.server.State(); len(got.Calls) != 0 || got.Last != nil || got.Connections != 0 || got.Name != "blue" {
		t.Errorf("after reset: got %+v", got)
	}
}

func TestWaitEnds(t *testing.T) {
	server := fake.New(fake.Options{})
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := server.Wait(ctx, func(fake.State) bool { return false }); err == nil {
		t.Error("got no error from an ended wait")
	}
}

// TestControl drives the control API while the data API is refused.
func TestControl(t *testing.T) {
	b := newBench(t, fake.Options{})
	f := func(method, path, body string, want int, part string) {
		t.Helper()
		req, err := http.NewRequestWithContext(b.ctx, method, b.server.ControlURL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want || !strings.Contains(string(text), part) {
			t.Errorf("%s %s %s: got %d %s, %v", method, path, body, resp.StatusCode, text, err)
		}
	}
	f("GET", "/_fake/fault", "", 200, `{"kind":"none"}`)
	f("PUT", "/_fake/fault", `{"kind":"refused"}`, 200, `{"kind":"refused"}`)
	if _, err := b.try(chatPath, plain); err == nil {
		t.Error("got an answer, want refused")
	}
	f("PUT", "/_fake/fault", `{"kind":"nonsense"}`, 400, `nonsense`)
	f("PUT", "/_fake/fault", strings.Repeat("x", 1<<17), 400, `error`)
	f("GET", "/_fake/fault", "", 200, `{"kind":"refused"}`)
	f("PUT", "/_fake/fault", `{"kind":"status","status":503,"retry_after_s":2,"count":5}`, 200, `"count":5`)
	b.call(chatPath, plain)
	f("GET", "/_fake/fault", "", 200, `"count":4`)
	f("DELETE", "/_fake/fault", "", 200, `{"kind":"none"}`)
	f("GET", "/_fake/state", "", 200, `"calls":{"/v1/chat/completions":1}`)
	f("DELETE", "/_fake/state", "", 200, `"calls":{}`)
	f("POST", "/_fake/state", "", 405, "")
}

func TestClosed(t *testing.T) {
	b := newBench(t, fake.Options{})
	b.server.Close()
	b.server.Close()
	if err := b.server.Listen("127.0.0.1:0"); err == nil {
		t.Error("a closed server listens")
	}
}

func TestListenFails(t *testing.T) {
	b := newBench(t, fake.Options{})
	other := fake.New(fake.Options{})
	defer other.Close()
	if err := other.Listen(strings.TrimPrefix(b.server.URL(), "http://")); err == nil {
		t.Error("two servers listen at one address")
	}
}

func TestSwitched(t *testing.T) {
	var seen []fake.Kind
	b := newBench(t, fake.Options{Switched: func(f fake.Fault) { seen = append(seen, f.Kind) }})
	b.set(fake.Fault{Kind: fake.HTML, Count: 1})
	if err := b.server.Set(fake.Fault{Kind: "nonsense"}); err == nil {
		t.Error("a fault without a kind was set")
	}
	b.call(chatPath, plain)
	b.server.Close()
	if len(seen) != 2 || seen[0] != fake.HTML || seen[1] != fake.None {
		t.Errorf("told of %v, want html and none", seen)
	}
}

func FuzzHandler(f *testing.F) {
	f.Add(plain)
	f.Add(streamed)
	f.Fuzz(func(t *testing.T, body string) {
		server := fake.New(fake.Options{})
		defer server.Close()
		w := serve(server, body)
		if isStream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream"); !isStream && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("got %d %q", w.Code, w.Body)
		}
	})
}
