package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// question is one request and what its answer must be.
type question struct {
	kind   string
	body   map[string]any
	raw    string // instead of body
	header map[string]string
	token  string // that an answer carries
	sure   bool   // some target can answer, so that one must
	bad    bool   // it must be refused as the caller's fault
	near   bool   // nothing of it may leave the device
	leaves bool   // the caller does, half-way
}

// secret is in every private question and nowhere else.
const secret = "zebra-crossing-5519"

const capital = "What is the capital of France?"

// kinds are the kinds of questions, in the order in which they are asked.
func kinds() []func(token string) question {
	return []func(string) question{plain, stream, cached, plain, leaver, stream, bad, private}
}

func ask(kind, text, token string) question {
	return question{
		kind: kind, token: token, header: map[string]string{"x-nearside-deadline-ms": "8000"},
		body: map[string]any{"model": "cloud", "messages": []any{map[string]any{"role": "user", "content": text}}},
	}
}

func plain(token string) question {
	q := ask("plain", "Repeat: "+token, token)
	q.sure = true
	return q
}

func stream(token string) question {
	q := plain(token)
	q.kind, q.body["stream"] = "stream", true
	return q
}

// cached is one of four questions that are asked again and again.
func cached(token string) question {
	same := "kept-" + token[len(token)-1:]
	q := plain(same)
	q.kind, q.body["temperature"] = "cached", 0
	return q
}

func leaver(token string) question {
	q := stream(token)
	q.kind, q.leaves, q.sure = "leaver", true, false
	return q
}

func private(string) question {
	q := ask("private", secret+": "+capital, "")
	q.body["model"], q.near = "private", true
	return q.short()
}

// local is answered by the device, which knows this one.
func local(string) question {
	q := ask("local", capital, "Paris")
	q.body["model"], q.body["stream"] = "local", true
	return q.short()
}

// short bounds what the question costs the device, so that no round waits long
// for its end.
func (q question) short() question {
	q.body["max_tokens"], q.header["x-nearside-deadline-ms"] = 12, "3000"
	return q
}

// bad is wrong in a way that depends on the token.
func bad(token string) question {
	all := []string{
		"{", "[]", `{"messages":[]}`, `{"messages":"x"}`, `{"model":7,"messages":[{"role":"user","content":"x"}]}`,
		`{"messages":[{"role":"nobody","content":"x"}]}`, `{"messages":[{"role":"user","content":"x"}],"temperature":-1}`,
		`{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}`, strings.Repeat("[", 100_000),
	}
	return question{kind: "bad", bad: true, raw: all[int(token[len(token)-1])%len(all)]}
}

// reply is what came of a question.
type reply struct {
	err     error // of the connection
	status  int
	route   string
	id      string // of the decision
	text    string
	failure string // type of the error, also of one inside a stream
	stream  bool
	done    bool // the stream had its end mark
}

func (d *daemon) ask(ctx context.Context, q question) reply {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	body := []byte(q.raw)
	if q.body != nil {
		body, _ = json.Marshal(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	for name, v := range q.header {
		req.Header.Set(name, v)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, route: resp.Header.Get("x-nearside-route")}
	r.id = resp.Header.Get("x-nearside-decision")
	r.stream = resp.Header.Get("Content-Type") == "text/event-stream"
	switch {
	case q.leaves && r.stream:
		_, r.err = resp.Body.Read(make([]byte, 64))
	case r.stream:
		r.err = r.readStream(resp.Body)
	default:
		r.err = r.readPlain(resp.Body)
	}
	return r
}

// piece is a completion, a chunk or an error.
type piece struct {
	Choices []struct{ Message, Delta struct{ Content string } }
	Error   struct{ Type string }
}

func (r *reply) add(text []byte) error {
	var p piece
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("%w in %q", err, text)
	}
	r.failure = p.Error.Type
	for _, c := range p.Choices {
		r.text += c.Message.Content + c.Delta.Content
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

func (r *reply) readStream(body io.Reader) error {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			r.done = true
			continue
		}
		if err := r.add(data); err != nil {
			return err
		}
	}
	return lines.Err()
}
