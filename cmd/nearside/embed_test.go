package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

const embeddingsPath = "/v1/embeddings"

// sent is what came back for a body that was posted.
type sent struct {
	status int
	header http.Header
	body   string
}

// route, target, reason and whether it is degraded, on one line.
func (s sent) road() string {
	h := s.header
	road := []string{h.Get("x-nearside-route"), h.Get("x-nearside-target"), h.Get("x-nearside-reason")}
	if h.Get("x-nearside-degraded") == "1" {
		road = append(road, "degraded")
	}
	return strings.Join(road, " ")
}

// post posts a body; head is names and values.
func (h *house) post(path, body string, head ...string) sent {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	resp, err := h.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return sent{resp.StatusCode, resp.Header, string(text)}
}

// embedders is the config's section for fakes that embed and chat.
func embedders(servers ...*fake.Server) string {
	return strings.ReplaceAll(clouds(servers...), "{chat: fake-model}", "{chat: fake-model, embed: fake-model}")
}

// first is the first embedding of a reply, as it stands there.
func (s sent) first(t *testing.T) string {
	t.Helper()
	var got struct {
		Data  []struct{ Embedding json.RawMessage }
		Model string
		Usage struct {
			Tokens int `json:"prompt_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(s.body), &got); err != nil || s.status != 200 || len(got.Data) == 0 || got.Model != "fake-model" || got.Usage.Tokens == 0 {
		t.Fatalf("got %d %s (%v)", s.status, s.body, err)
	}
	return string(got.Data[0].Embedding)
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{FloatsOnly: true}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, embedders(one, two))
	f := func(body, road string, head ...string) string {
		t.Helper()
		r := h.post(embeddingsPath, body, head...)
		if r.road() != road {
			t.Fatalf("%s: got %q %s, want %q", body, r.road(), r.body, road)
		}
		return r.first(t)
	}
	floats := f(`{"input":["a b","c"]}`, "cloud cloud/first cloud_only")
	packed := f(`{"input":["a b","c"],"encoding_format":"base64"}`, "cloud cloud/first cloud_only")
	if floats[0] != '[' || packed[0] != '"' {
		t.Fatalf("got %s and %s, want floats and base64", floats, packed)
	}
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 1 })
	if got := f(`{"encoding_format":"base64","input":["a b","c"]}`, "cache cloud/first cache_fresh"); got != packed {
		t.Errorf("kept: got %s, want %s", got, packed)
	}
	set(t, one, fake.Fault{Kind: fake.Refused})
	set(t, two, fake.Fault{Kind: fake.Refused})
	if got := f(`{"input":["a b","c"]}`, "stale cloud/first stale_on_error degraded", "Cache-Control", "no-cache"); got != floats {
		t.Errorf("stale: got %s, want %s", got, floats)
	}
}

// TestEmbeddingsFailOver has the first target break in every way there is.
func TestEmbeddingsFailOver(t *testing.T) {
	t.Parallel()
	for _, kind := range []fake.Kind{fake.Misshapen, fake.Empty, fake.NoChoices, fake.CutJSON, fake.HTML, fake.Refused} {
		one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
		h := newHouse(t, noLocal, embedders(one, two))
		set(t, one, fake.Fault{Kind: kind})
		r := h.post(embeddingsPath, `{"input":["a b","c"]}`)
		if r.road() != "cloud cloud/second failover" || r.header.Get("x-nearside-attempts") != "2" {
			t.Errorf("%s: got %q after %s attempts", kind, r.road(), r.header.Get("x-nearside-attempts"))
		}
		r.first(t)
	}
}

// TestEmbeddingsStayWhereTheyMust looks at those that no target may answer.
func TestEmbeddingsStayWhereTheyMust(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, embedders(one))
	f := func(body string, status int, code string, head ...string) {
		t.Helper()
		r := h.post(embeddingsPath, body, head...)
		if r.status != status || !strings.Contains(r.body, code) || r.header.Get("x-nearside-route") != "none" {
			t.Errorf("%s: got %d %s, want %d %s", body, r.status, r.body, status, code)
		}
	}
	f(`{"input":"a"}`, 422, "policy_blocked", "x-nearside-privacy", "private")
	f(`{"input":"a","model":"private"}`, 422, "policy_blocked")
	f(`{"input":"a"}`, 503, "no_route", "x-nearside-mode", "local")
	f(`{"input":""}`, 400, `"param":"input"`)
	f(`{"input":"a","model":"gpt-9"}`, 404, "model_not_found")
	if n := one.State().Calls[embeddingsPath]; n != 0 {
		t.Errorf("%d calls left the device", n)
	}
}
