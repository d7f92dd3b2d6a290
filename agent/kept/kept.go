// Package kept is the form of answers in a cache, and the identity of the asks
// that they answer. Both outlive the daemon: what changes here makes what was kept
// before useless.
package kept

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"slices"
	"time"

	"nearside/agent/openai"
)

// Entry is an answer as the cache keeps it: a line of JSON that says where it
// is from, and behind it the body of a plain completion as it is.
type Entry struct {
	Target string `json:"target"`
	Model  string `json:"model"`

	Body []byte    `json:"-"`
	At   time.Time `json:"-"` // when it was kept
}

// Encode is the entry in bytes.
func (e *Entry) Encode() []byte {
	out := make([]byte, 0, len(`{"target":"","model":""}`)+len(e.Target)+len(e.Model)+1+len(e.Body))
	out = openai.AppendString(append(out, `{"target":`...), e.Target)
	out = openai.AppendString(append(out, `,"model":`...), e.Model)
	return append(append(out, "}\n"...), e.Body...)
}

// Decode reads what Encode made and was kept at a time; nil for what is no entry.
// It holds on to value.
func Decode(value []byte, at time.Time) *Entry {
	head, body, ok := bytes.Cut(value, []byte("\n"))
	e := &Entry{Body: body, At: at}
	if !ok || json.Unmarshal(head, e) != nil {
		return nil
	}
	return e
}

// unkeyed are request fields that do not change the answer.
var unkeyed = []string{"model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}

// Circle is for whom an answer is good: an answer made near never serves one who
// asked for the cloud.
type Circle struct {
	Salt, Service, Mode, Target string
}

// Key is the identity of an ask, 22 characters: everything that changes its answer.
// The same ask written otherwise, with other white space in its JSON, has the same.
func Key(r *openai.Request, c *Circle) string {
	h := identity{Hash: sha256.New(), text: make([]byte, 0, 128)}
	for _, part := range [...]string{c.Salt, c.Service, c.Mode, c.Target} {
		h.add(part)
	}
	for _, name := range r.Names() {
		if slices.Contains(unkeyed, name) {
			continue
		}
		h.add(name)
		compact(h.Hash, r.Field(name))
	}
	sum := h.Sum(h.text[:0])
	text := base64.RawURLEncoding.AppendEncode(sum, sum[:16]) // short, since an index of them is kept
	return string(text[len(sum):])
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
