package rolling_test

import (
	"fmt"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/rolling"
)

// TestBytesPerToken: what long prompts were counted as is learned, within
// bounds, and short ones and pictures tell nothing.
func TestBytesPerToken(t *testing.T) {
	ask := func(bytes int, rest string) *openai.Request {
		t.Helper()
		r, err := openai.Decode(fmt.Appendf(nil, `{"model":"auto","messages":[{"role":"user","content":%s}]}`,
			strings.Replace(rest, "TEXT", strings.Repeat("x", bytes), 1)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	f := func(name string, n int, r *openai.Request, tokens int, want float64) {
		t.Helper()
		var figures rolling.Figures
		for range n {
			figures.Counted(r, &openai.Reply{Answer: &completion.Answer{Usage: &completion.Usage{In: tokens}}})
		}
		got := figures.Summary().BytesPerToken
		if (got == nil) != (want == 0) || got != nil && (*got < want-0.05 || *got > want+0.05) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	text, picture := ask(2000, `"TEXT"`), ask(2000, `[{"type":"text","text":"TEXT"},{"type":"image_url","image_url":{"url":"https://x.example/y"}}]`)
	f("two", 5, text, 1009, 2)
	f("too few", 4, text, 1009, 0)
	f("never less than one", 9, text, 1e6, 1)
	f("never more than eight", 9, text, 1, 8)
	f("not counted", 9, text, 0, 0)
	f("nonsense", 9, text, -7, 0)
	f("short", 9, ask(100, `"TEXT"`), 50, 0)
	f("pictures", 9, picture, 1009, 0)

	var figures rolling.Figures
	for i := range 100 {
		figures.Counted(text, &openai.Reply{Answer: &completion.Answer{Usage: &completion.Usage{In: 504 + i/50*505}}})
	}
	if got := *figures.Summary().BytesPerToken; got > 2.05 {
		t.Errorf("after 50 that say 4 and 50 that say 2: %v", got)
	}
	figures = rolling.Figures{}
	for range 5 {
		s, err := completion.Replay([]byte(`{"choices":[{"index":0,"message":{"content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1009,"completion_tokens":1}}`), false)
		if err != nil {
			t.Fatal(err)
		}
		figures.Counted(text, &openai.Reply{Stream: s, Answer: s.Answer})
	}
	if got := figures.Summary().BytesPerToken; got == nil || *got > 2.05 {
		t.Errorf("of streams: %v, want 2", got)
	}
	figures.Counted(text, nil)
	figures.Counted(text, &openai.Reply{})
}
