package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Words that must be found in nothing the daemon tells of itself.
const (
	askedWord    = "canary-asked-4711"
	answeredWord = "canary-answered-4712"
	keyWord      = "canary-key-4713"
	tokenWord    = "canary-token-4714"
)

// gossip is a cloud API that quotes all it is told, key and question, in
// every way it can fail.
func gossip(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		quote := fmt.Sprintf("%q %q", r.Header, body)
		answer := fmt.Sprintf(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}]}`, answeredWord)
		switch {
		case strings.Contains(string(body), "redirect"):
			http.Redirect(w, r, "/"+askedWord+"?key="+keyWord, http.StatusFound)
		case strings.Contains(string(body), "broken"):
			io.WriteString(w, quote)
		case strings.Contains(string(body), "headers"):
			w.Header().Set("X-Quote", strings.ReplaceAll(quote, "\n", " "))
			w.Header().Set("Content-Length", "12")
			io.WriteString(w, quote)
		case strings.Contains(string(body), "fail"):
			http.Error(w, quote, http.StatusInternalServerError)
		case strings.Contains(string(body), "wrong"):
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":{"message":%q,"param":%q}}`, quote, keyWord)
		case strings.Contains(string(body), "refuse"):
			http.Error(w, quote, http.StatusUnauthorized)
		case strings.Contains(string(body), `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			chunk := strings.NewReplacer("chat.completion", "chat.completion.chunk", `"message"`, `"delta"`).Replace(answer)
			fmt.Fprintf(w, "data: %s\n\ndata: {\"error\":{\"message\":%q}}\n\n", strings.Replace(chunk, `"stop"`, "null", 1), quote)
		default:
			io.WriteString(w, answer)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestCanary asks in ways that answer and in ways that fail, with a cloud that
// quotes everything, and looks for the words wherever operators look.
func TestCanary(t *testing.T) {
	t.Parallel()
	url := gossip(t)
	target := func(name string) string {
		return fmt.Sprintf("    - {name: %s, kind: openai, base_url: %q, key: {file: key}, models: {chat: m}}\n", name, url+"/v1")
	}
	h := unstarted(t)
	h.write("key", keyWord+"\n")
	h.configure(1, noLocal, "log: {level: debug, format: json}", "cloud:\n  targets:\n"+target("first")+target("second"))
	h.start()
	ctx, leave := context.WithTimeout(t.Context(), 4*patience)
	defer leave()
	events := h.listen(ctx, "0")

	said := ""
	for _, how := range []string{"answer", "stream", "broken", "headers", "redirect", "private", "private stream", "wrong", "fail", "refuse"} {
		a := inCloud("Please "+how+": "+askedWord).with("user", askedWord).with("temperature", 0).headed("authorization", "Bearer "+tokenWord)
		if strings.Contains(how, "stream") {
			a = a.with("stream", true)
		}
		if strings.Contains(how, "private") {
			a = a.headed("x-nearside-privacy", "private")
		}
		said += h.raw(t, how, a)
	}
	h.run("ask", "--mode", "cloud", askedWord+" fail")
	if !strings.Contains(said, answeredWord) {
		t.Error("nothing was answered: this test is blind")
	}
	h.configure(2, noLocal, "log: {level: debug, format: json}", "cloud:\n  targets:\n"+target("first"))
	h.reload()
	told := map[string]string{"events": ""}
	for e := range events {
		told["events"] += e.data
		if e.kind == "policy" && strings.Contains(e.data, `"version":2`) {
			break
		}
	}
	for _, path := range []string{"/v1/logs", "/metrics", "/v1/status", "/v1/decisions?limit=1000"} {
		told[path] = string(h.get(path))
	}
	h.stop()
	told["standard error"] = h.log.String()
	for where, text := range told {
		for _, word := range []string{askedWord, answeredWord, keyWord, tokenWord} {
			if i := strings.Index(text, word); i >= 0 {
				t.Errorf("%s tells %s: %q", where, word, text[max(0, i-200):i+len(word)])
			}
		}
	}
	if !strings.Contains(told["/v1/logs"], `"msg":"request"`) || !strings.Contains(told["events"], `"breaker":"open"`) && !strings.Contains(told["events"], `"usable":false`) {
		t.Errorf("logs and events tell too little to be searched: %v", told)
	}
}

// raw asks and gives all of the reply. Keys are in none; its own words a caller
// may read again.
func (h *house) raw(t *testing.T, how string, a ask) string {
	t.Helper()
	resp, err := h.send(t.Context(), a)
	must(t, how, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, "read the reply", err)
	text := fmt.Sprint(resp.Header) + string(body)
	if strings.Contains(text, keyWord) || strings.Contains(text, tokenWord) {
		t.Errorf("%s: the reply quotes: %s", how, text)
	}
	return text
}
