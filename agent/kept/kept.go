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

// Circle is for whom an answer is good: an answer made near never serves one who
// asked for the cloud.
type Circle struct {
	Salt, Service, Mode, Target string
}

// Most asks have no more text and no more fields.
const (
	usual = 512
	names = 12
)

// Key is the identity of an ask, 22 characters: everything that changes its answer.
// The same ask written otherwise, with other white space in its JSON, has the same.
func Key(r *openai.Request, c *Circle) string {
	text, h := make([]byte, 0, usual), sha256.New() // neither leaves this function, so that nothing is allocated
	for _, part := range [...]string{c.Salt, c.Service, c.Mode, c.Target} {
		text = appendPart(text, part)
	}
	for _, name := range r.AppendNames(make([]string, 0, names)) {
		if unkeyed(name) {
			continue
		}
		text = appendPart(text, name)
		value := compact{rest: r.Field(name)}
		for text = value.fill(text); len(value.rest) > 0; text = value.fill(text[:0]) {
			h.Write(text)
		}
	}
	h.Write(text)
	sum := h.Sum(make([]byte, 0, sha256.Size))
	var key [22]byte
	base64.RawURLEncoding.Encode(key[:], sum[:16]) // short, since an index of them is kept
	return string(key[:])
}

// unkeyed tells whether a field of a request does not change the answer.
func unkeyed(name string) bool {
	switch name {
	case "model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key":
		return true
	}
	return false
}

// appendPart adds a text so that no other list of texts reads the same.
func appendPart(to []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint64(to, uint64(len(text))), text...)
}

// compact is a JSON value that was found valid before, taken piece by piece and
// without the white space between its parts, which does not count.
type compact struct {
	rest   []byte
	quoted bool // it begins within a string
}

// fill adds as much of what is left as there is room for.
func (c *compact) fill(to []byte) []byte {
	from, i := 0, 0
	for ; i < len(c.rest) && len(to)+i-from < cap(to)-1; i++ {
		switch b := c.rest[i]; {
		case b == '\\':
			i++
		case b == '"':
			c.quoted = !c.quoted
		case !c.quoted && (b == ' ' || b == '\n' || b == '\t' || b == '\r'):
			to = append(to, c.rest[from:i]...)
			from = i + 1
		}
	}
	i = min(i, len(c.rest))
	to = append(to, c.rest[from:i]...)
	c.rest = c.rest[i:]
	return to
}
