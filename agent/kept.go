package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"slices"
	"time"

	"nearside/agent/openai"
	"nearside/policy"
)

// entry is an answer as the cache keeps it: a line of JSON that says where it
// is from, and behind it the body of a plain completion as it is.
type entry struct {
	Target string `json:"target"`
	Model  string `json:"model"`

	body []byte
	at   time.Time
}

func (e *entry) encode() ([]byte, error) {
	head, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(head)+1+len(e.body))
	return append(append(append(out, head...), '\n'), e.body...), nil
}

// decodeEntry is nil for what is no entry.
func decodeEntry(value []byte, at time.Time) *entry {
	head, body, ok := bytes.Cut(value, []byte("\n"))
	e := &entry{body: body, at: at}
	if !ok || json.Unmarshal(head, e) != nil {
		return nil
	}
	return e
}

// unkeyed are request fields that do not change the answer.
var unkeyed = []string{"model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}

// key is the identity of an ask: everything that changes its answer. Service,
// model name, mode and target are in it, so that an answer made near never
// serves one who asked for the cloud.
func (w *walk) key() string {
	if w.hash != "" {
		return w.hash
	}
	h := identity{Hash: sha256.New(), text: make([]byte, 0, 128)}
	for _, part := range [...]string{w.Salt, w.ask.Service, w.ask.Mode, w.ask.Target} {
		h.add(part)
	}
	for _, name := range w.in.Request.Names() {
		if slices.Contains(unkeyed, name) {
			continue
		}
		h.add(name)
		compact(h.Hash, w.in.Request.Field(name))
	}
	sum := h.Sum(h.text[:0])
	text := base64.RawURLEncoding.AppendEncode(sum, sum[:16]) // short, since an index of them is kept
	w.hash = string(text[len(sum):])
	return w.hash
}

// identity is a hash of parts.
type identity struct {
	hash.Hash
	text []byte // of the latest part: what is handed to a hash may not be on the stack
}

// add takes in a text so that no other list of texts reads the same.
func (h *identity) add(text string) {
	h.text = binary.LittleEndian.AppendUint64(h.text[:0], uint64(len(text)))
	h.text = append(h.text, text...)
	h.Write(h.text)
}

// compact writes a JSON value that was found valid before, without the white
// space between its parts, which does not count.
func compact(to io.Writer, value []byte) {
	from, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			to.Write(value[from:i])
			from = i + 1
		}
	}
	to.Write(value[from:])
}

// look asks the cache, once per request.
func (w *walk) look(ctx context.Context) *entry {
	if w.looked || w.agent.parts.Cache == nil {
		return w.kept
	}
	w.looked = true
	w.result.Cache = "miss"
	value, at, ok, err := w.agent.parts.Cache.Get(ctx, w.key())
	if err != nil || !ok {
		return nil
	}
	w.kept = decodeEntry(value, at)
	return w.kept
}

// fresh serves a kept answer that is young enough.
func (w *walk) fresh(ctx context.Context, step *policy.Step) bool {
	limit := within(w.keep().Fresh, w.ask.Cache.MaxAgeS, step.MaxAgeS)
	return w.serve(w.look(ctx), step, "hit", limit)
}

// stale serves a kept answer of any age that is still allowed.
func (w *walk) stale(ctx context.Context, step *policy.Step) bool {
	limit := within(w.keep().Stale, w.ask.Cache.MaxStaleS, step.MaxAgeS)
	w.result.Degraded = w.serve(w.look(ctx), step, "stale", limit)
	return w.result.Degraded
}

// within is the least of what the config, the caller and the policy allow; nil
// and 0 do not bound.
func within(limit time.Duration, caller *int64, plan int64) time.Duration {
	if caller != nil {
		limit = min(limit, time.Duration(*caller)*time.Second)
	}
	if plan > 0 {
		limit = min(limit, time.Duration(plan)*time.Second)
	}
	return limit
}

// clockSlack is how far in the future a kept answer may be dated. More than
// that and one of the clocks was wrong, so that its age is not known.
const clockSlack = time.Minute

// serve makes a kept answer the result when it is not older than limit.
func (w *walk) serve(e *entry, step *policy.Step, how string, limit time.Duration) bool {
	if e == nil {
		return false
	}
	age := w.agent.parts.Now().Sub(e.at)
	if age > limit || age < -clockSlack {
		return false
	}
	if check := w.Services[w.ask.Service].Reply; check != nil && check(e.body) != nil {
		return false // it was good under another schema
	}
	age = max(0, age)
	r := w.result
	if w.in.Request.Stream {
		stream, err := openai.Replay(e.body, w.in.Request)
		if err != nil {
			return false
		}
		r.Stream, r.answer = stream, stream.Answer
	} else {
		r.Body = e.body
	}
	r.Route, r.Target, r.Model, r.Cache = step.Kind, e.Target, e.Model, how
	r.Kept, r.Age = true, age
	if r.Reason == "" {
		r.Reason = step.Reason
	}
	return true
}

// storable tells whether the answer may serve again: whole, good, and not of a
// private ask or one that forbade it.
func (w *walk) storable(status int) bool {
	r := w.result
	keep := w.keep()
	return w.agent.parts.Cache != nil && max(keep.Fresh, keep.Stale) > 0 && status == http.StatusOK && r.answer != nil && !r.Kept && !r.Degraded && (w.isFormed == nil || *w.isFormed) &&
		!w.private() && !w.cutShort() && !w.ask.Cache.NoStore && (r.Stream == nil || w.whole())
}

// cutShort tells whether the policy's limit ended the answer: it is not the one
// that the same ask gets without.
func (w *walk) cutShort() bool {
	return w.plan.Bounds.TokensOut > 0 && w.result.answer.Finish == "length"
}

// whole tells whether a stream that was read gives a whole plain answer:
// log-probabilities, sound and other things are not put together again.
func (w *walk) whole() bool {
	a := w.result.answer
	return w.result.Stream.Ended() && !w.in.Request.Logprobs && (a.Text() != "" || a.HasCalls())
}

func (w *walk) store() {
	body := w.result.Body
	if body == nil {
		body = w.result.answer.Completion()
	}
	e := entry{Target: w.result.Target, Model: w.result.Model, body: body}
	if value, err := e.encode(); err == nil {
		w.agent.parts.Cache.Put(w.key(), value, w.agent.parts.Now())
	}
}
