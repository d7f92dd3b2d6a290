package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"nearside/agent/openai/sse"
)

// ask is one chat request.
type ask struct {
	text   string
	fields map[string]any // of the body, beside model and messages
	header map[string]string
}

func (a ask) body() []byte {
	body := map[string]any{"model": "auto", "messages": []any{map[string]string{"role": "user", "content": a.text}}}
	for name, v := range a.fields {
		body[name] = v
	}
	b, _ := json.Marshal(body)
	return b
}

// with is the ask with one more field.
func (a ask) with(name string, v any) ask {
	fields := map[string]any{name: v}
	for n, old := range a.fields {
		if n != name {
			fields[n] = old
		}
	}
	a.fields = fields
	return a
}

// headed is the ask with one more header.
func (a ask) headed(name, v string) ask {
	header := map[string]string{name: v}
	for n, old := range a.header {
		if n != name {
			header[n] = old
		}
	}
	a.header = header
	return a
}

// send posts the ask; the caller reads and closes the reply.
func (h *house) send(ctx context.Context, a ask) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+chatPath, bytes.NewReader(a.body()))
	if err != nil {
		return nil, err
	}
	for name, v := range a.header {
		req.Header.Set(name, v)
	}
	return h.http.Do(req)
}

// reply is what came of an ask.
type reply struct {
	status int
	header http.Header
	text   string // of the answer
	kind   string // of the error, also of one inside a stream
	finish string // finish_reason
	done   bool   // the stream had its end mark
	took   time.Duration
}

func (r *reply) target() string { return r.header.Get("x-nearside-target") }
func (r *reply) route() string  { return r.header.Get("x-nearside-route") }

// String is the reply for a failed test.
func (r *reply) String() string {
	return fmt.Sprintf("%d %s %q finish %q done %t after %v %v", r.status, r.kind, r.text, r.finish, r.done, r.took, r.header)
}

// ask sends the ask and reads all of the reply. It may run on any goroutine.
func (h *house) ask(a ask) *reply {
	start := time.Now()
	resp, err := h.send(h.t.Context(), a)
	if err != nil {
		h.t.Errorf("ask: %v", err)
		return &reply{header: http.Header{}}
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		err = r.readStream(&sse.Events{In: resp.Body})
	} else {
		err = r.readPlain(resp.Body)
	}
	if err != nil {
		h.t.Errorf("read reply: %v", err)
	}
	r.took = time.Since(start)
	return r
}

// soon asks again where a busy machine took so long over a stream that its headers
// came before it was known who answers.
func (h *house) soon(a ask) *reply {
	for range 5 {
		if r := h.ask(a); r.route() != "pending" {
			return r
		}
	}
	return h.ask(a)
}

// piece is a completion, a chunk or an error.
type piece struct {
	Choices []struct {
		Message, Delta struct{ Content string }
		Finish         string `json:"finish_reason"`
	}
	Error struct{ Type string }
}

func (r *reply) add(text []byte) error {
	var p piece
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("%w in %q", err, text)
	}
	r.kind = p.Error.Type
	for _, c := range p.Choices {
		r.text += c.Message.Content + c.Delta.Content
		r.finish = c.Finish
	}
	return nil
}

func (r *reply) readPlain(body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return r.add(text)
}

func (r *reply) readStream(events *sse.Events) error {
	for {
		data, err := events.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if r.done || r.kind != "" {
			return fmt.Errorf("after its end the stream says %q", data)
		}
		if r.done = string(data) == "[DONE]"; r.done {
			continue
		}
		if err := r.add(data); err != nil {
			return err
		}
	}
}

// inCloud is an ask that only the cloud may answer.
func inCloud(text string) ask { return ask{text: text}.headed("x-nearside-mode", "cloud") }
