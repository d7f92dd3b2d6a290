package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
)

// marker is in every private question, and nowhere else.
const marker = "xylograph-7731"

// ways are the forms of a private ask.
func ways() map[string]ask {
	q := ask{text: "Tell me about the " + marker + ". What is the capital of France?"}.with("max_tokens", 12)
	return map[string]ask{
		"header":               q.headed("x-nearside-privacy", "private"),
		"header, repeatable":   q.headed("x-nearside-privacy", "private").with("temperature", 0),
		"model":                q.with("model", "private"),
		"model against header": q.with("model", "private").headed("x-nearside-privacy", "normal"),
		"streamed":             q.headed("x-nearside-privacy", "private").with("stream", true),
		"cloud mode":           q.headed("x-nearside-privacy", "private").headed("x-nearside-mode", "cloud"),
		"cloud target":         q.headed("x-nearside-privacy", "private").with("model", "cloud/first"),
		"model in cloud mode":  q.with("model", "private").headed("x-nearside-mode", "cloud").with("stream", true),
	}
}

// TestPrivate asks privately in every way, with the engine alive, killed and in
// quarantine, and looks for what was said wherever it could have been kept.
func TestPrivate(t *testing.T) {
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, "log: {level: debug}", clouds(cloud))
	said := h.askAll(t)
	if len(said) != 5 {
		t.Errorf("got %d answers, want one for each of the 5 ways that name no cloud", len(said))
	}
	said = append(said, marker, h.askByCommand(t))
	h.askKilled(t)
	if more := h.askAll(t); len(more) > 0 {
		t.Errorf("got %q from an engine in quarantine", more)
	}
	if s := cloud.State(); s.Connections != 0 || len(s.Calls) != 0 {
		t.Errorf("the cloud saw %+v, want nothing", s)
	}
	h.control(t)
	h.searchTalk(t, said)
	h.stop()
	h.searchFiles(t, said, "after a stop")
	h.start()
	said = append(said, h.askAll(t)...)
	h.kill()
	h.searchFiles(t, said, "after a kill")
}

// askAll asks in every way and returns the answers.
func (h *house) askAll(t *testing.T) []string {
	t.Helper()
	var said []string
	for name, a := range ways() {
		r := h.soon(a)
		answered := r.status == http.StatusOK && r.route() == "local" && r.text != ""
		refused := r.status == http.StatusUnprocessableEntity && r.kind == "policy_blocked" && r.route() == "none"
		if !answered && !refused || r.header.Get("x-nearside-reason") != "private" || r.header.Get("x-nearside-cache") != "bypass" {
			t.Errorf("%s: got %v, want a local answer or policy_blocked", name, r)
		}
		if answered {
			said = append(said, r.text)
		}
	}
	return said
}

// askByCommand asks with the command line and returns the answer.
func (h *house) askByCommand(t *testing.T) string {
	t.Helper()
	cmd := h.command("ask", "--private", marker+": what is the capital of France?")
	var notes strings.Builder
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil || !strings.Contains(notes.String(), "local/") || !strings.Contains(notes.String(), "private") {
		t.Errorf("ask --private: got %q, %q, %v, want a local answer", out, notes.String(), err)
	}
	cloudy := h.command("ask", "--private", "--mode", "cloud", marker)
	cloudy.Stderr = &notes
	if err := cloudy.Run(); codeOfProcess(err) != shell.ExitRefused {
		t.Errorf("ask --private --mode cloud: got %v, want exit %d", err, shell.ExitRefused)
	}
	return strings.TrimSpace(string(out))
}

// codeOfProcess is the exit code of a process that ended.
func codeOfProcess(err error) int {
	if e, ok := err.(interface{ ExitCode() int }); ok {
		return e.ExitCode()
	}
	return 0
}

// askKilled asks while the engine is killed again and again, until it is left
// alone.
func (h *house) askKilled(t *testing.T) {
	t.Helper()
	for range 3 {
		until(t, "the engine may start", patience, func() bool { return h.status().Engine.State != "backoff" })
		a := story(true)
		a.fields["messages"] = append(a.fields["messages"].([]any), map[string]string{"role": "user", "content": marker})
		resp, err := h.send(t.Context(), a.headed("x-nearside-privacy", "private"))
		if err != nil {
			t.Fatal(err)
		}
		h.killEngine()
		resp.Body.Close()
	}
	until(t, "the engine is left alone", patience, func() bool { return h.status().Engine.State == "quarantined" })
}

// control has the daemon keep an answer that is not private, so that a search
// is known to find what is there.
func (h *house) control(t *testing.T) {
	t.Helper()
	h.ask(inCloud("What is the largest planet?"))
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 0 })
	if got := h.find(t, "Jupiter"); len(got) == 0 {
		t.Error("an answer that was kept is not found: this test is blind")
	}
}

// find lists the daemon's files that hold the text.
func (h *house) find(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (h *house) searchFiles(t *testing.T, said []string, when string) {
	t.Helper()
	for _, text := range said {
		if found := h.find(t, text); len(found) > 0 {
			t.Errorf("%s: %q is in %v", when, text, found)
		}
		if strings.Contains(h.log.String(), text) {
			t.Errorf("%s: %q is in the log", when, text)
		}
	}
}

// searchTalk looks at what the daemon tells of itself.
func (h *house) searchTalk(t *testing.T, said []string) {
	t.Helper()
	var talk []byte
	until(t, "the decisions are kept", patience, func() bool {
		talk = h.get("/v1/decisions?limit=1000")
		return bytes.Count(talk, []byte(`"privacy":"private"`)) >= len(ways())
	})
	talk = append(talk, h.get("/v1/status")...)
	for _, text := range said {
		if bytes.Contains(talk, []byte(text)) {
			t.Errorf("%q is in the status or the decisions", text)
		}
	}
}

// TestPrivateWithoutModel asks a daemon that has no model: it refuses at once.
func TestPrivateWithoutModel(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(cloud))
	start := time.Now()
	if said := h.askAll(t); len(said) > 0 {
		t.Errorf("got %q without a model", said)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("refused after %v, want at once", took)
	}
	if s := cloud.State(); s.Connections != 0 {
		t.Errorf("the cloud saw %+v, want nothing", s)
	}
	h.stop()
	h.searchFiles(t, []string{marker}, "without a model")
}
