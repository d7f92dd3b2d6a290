package cloud

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/agent/openai"
)

// BenchmarkChat is what a call costs beside the way to its target and back: to
// one on this device and to a far one, plain and as a stream of 64 chunks.
func BenchmarkChat(b *testing.B) {
	const plain = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"It is a lighthouse."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}`
	const chunk = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
	end := strings.Replace(strings.Replace(chunk, `{"content":" word"}`, "{}", 1), `_reason":null`, `_reason":"stop"`, 1)
	for _, at := range []string{"http://127.0.0.1/v1", "https://cloud.example/v1"} {
		b.Run("plain/"+at[:5], func(b *testing.B) { chat(b, at, "application/json", plain) })
		b.Run("stream/"+at[:5], func(b *testing.B) {
			chat(b, at, "text/event-stream", strings.Repeat(chunk, 63)+end+"data: [DONE]\n\n")
		})
	}
}

func chat(b *testing.B, at, kind, answer string) {
	header := http.Header{"Content-Type": {kind}}
	targets := []Target{
		{Name: "cloud/first", Base: at, Models: map[string]string{"chat": "m"}},
		{Name: "cloud/second", Base: at, Models: map[string]string{"chat": "m"}},
	}
	p := New(Options{Targets: targets, Log: slog.New(slog.DiscardHandler), Via: trip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: r}, nil
	})})
	request, err := openai.Decode(fmt.Appendf(nil, `{"model":"auto","temperature":0,"stream":%v,"messages":[{"role":"user","content":"What should one know about this lighthouse?"}]}`, kind != "application/json"))
	if err != nil {
		b.Fatal(err)
	}
	call := openai.Call{
		Request: request, Targets: []string{"cloud/first", "cloud/second"}, Hold: 1, Tried: func(openai.Attempt) {},
		Budget: time.Minute, Attempt: 10 * time.Second, Silence: 30 * time.Second,
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			reply, err := p.Chat(b.Context(), call)
			if err != nil {
				b.Error(err)
				return
			}
			for s := reply.Stream; s != nil && !s.Ended(); {
				_, _ = s.Next()
			}
			reply.Close()
		}
	})
}
