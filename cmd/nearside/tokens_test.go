package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTokensAreLearned: a target that counts two bytes a token is not sent what
// would fit its context at four, once it is known.
func TestTokensAreLearned(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, name := range []string{"small", "large"} {
		server := httptest.NewServer(twoBytes())
		t.Cleanup(server.Close)
		context := map[string]int{"small": 2000, "large": 32000}[name]
		texts = append(texts, fmt.Sprintf(`{name: %s, kind: openai, base_url: "%s/v1", context: %d, models: {chat: m}}`, name, server.URL, context))
	}
	h := unstarted(t, "local: {disabled: true}", "cloud: {targets: ["+strings.Join(texts, ", ")+"]}")
	h.start()
	goes := func(bytes int, want string) {
		t.Helper()
		body := fmt.Sprintf(`{"model":"auto","messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", bytes))
		if got := h.post(chatPath, body); got.status != 200 || got.header.Get("x-nearside-target") != want {
			t.Errorf("%d bytes: %d, %s, want %s: %s", bytes, got.status, got.header.Get("x-nearside-target"), want, got.body)
		}
	}
	goes(5000, "cloud/small")
	for range 4 {
		goes(1200, "cloud/small")
	}
	goes(5000, "cloud/large")
	goes(1200, "cloud/small")
	if got := h.target("cloud/small").BytesPerToken; got == nil || *got < 1.9 || *got > 2.1 {
		t.Errorf("learned %v, want 2", got)
	}
	if got := h.target("cloud/large").BytesPerToken; got != nil {
		t.Errorf("one reply says %v", *got)
	}
}

// twoBytes is a cloud that counts a token for every two bytes.
func twoBytes() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c1","object":"chat.completion","created":1,"model":"m",
			"choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],
			"usage":{"prompt_tokens":%d,"completion_tokens":1,"total_tokens":9}}`, strings.Count(string(body), "x")/2)
	}
}
