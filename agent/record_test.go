package agent_test

import (
	"context"
	"encoding/json"
	"runtime"
	"testing"
	"time"
	"weak"

	"nearside/agent"
	"nearside/agent/decision"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/policy"
)

// waiting is a recorder that has not come to writing.
type waiting struct{ record func([]byte) []byte }

func (q *waiting) Record(_ string, _ time.Time, record func([]byte) []byte) { q.record = record }

// watched answers in a body of its own, and tells of it.
func watched(told func(body []byte)) answerer {
	return func(_ context.Context, call openai.Call) (*openai.Reply, error) {
		body := []byte(`{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Goethe."},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`)
		told(body)
		if call.Request.Stream {
			s, err := completion.Replay(body, call.Request.IncludeUsage)
			return &openai.Reply{Target: call.Targets[0], Stream: s, Answer: s.Answer}, err
		}
		a, err := completion.Parse(body)
		return &openai.Reply{Target: call.Targets[0], Body: body, Answer: a}, err
	}
}

// TestRecordsHoldNoText: while a record waits to be written, neither what was
// asked nor what was answered stays in memory for it.
func TestRecordsHoldNoText(t *testing.T) {
	for name, c := range map[string]struct{ body, mode, privacy string }{
		"private": {body: plain, privacy: policy.Private}, "private, streamed": {body: streamed, privacy: policy.Private},
		"cloud": {body: plain, mode: policy.Cloud}, "cloud, streamed": {body: streamed, mode: policy.Cloud},
	} {
		t.Run(name, func(t *testing.T) {
			var q waiting
			var texts []weak.Pointer[byte]
			watch := func(text []byte) { texts = append(texts, weak.Make(&text[0])) }
			func() {
				w := newWorld()
				w.recorder, w.local, w.cloud = &q, watched(watch), watched(watch)
				_, err := w.ask(t, c.body, func(in *agent.Input) {
					in.Mode, in.Privacy = c.mode, c.privacy
					watch(in.Request.Field("messages"))
				})
				if err != nil {
					t.Fatal(err)
				}
			}()
			runtime.GC()
			for i, text := range texts {
				if text.Value() != nil {
					t.Errorf("text %d of %d is still there", i, len(texts))
				}
			}
			var r decision.Record
			if err := json.Unmarshal(q.record(nil), &r); err != nil || len(texts) != 2 || *r.Outcome.TokensIn != 3 || *r.Outcome.TokensOut != 2 {
				t.Errorf("%d texts, outcome %+v, error %v", len(texts), r.Outcome, err)
			}
		})
	}
}
