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
	"strings"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/inplace"
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
	out = inplace.AppendString(append(out, `{"target":`...), e.Target)
	out = inplace.AppendString(append(out, `,"model":`...), e.Model)
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
	usual   = 512
	members = 12
)

// Key is the identity of an ask, 22 characters: everything that changes its answer.
// The same ask written otherwise, with other white space in its JSON, has the same.
func Key(r *openai.Request, c *Circle) string {
	text, h := make([]byte, 0, usual), sha256.New() // neither leaves this function, so that nothing is allocated
	for _, part := range [...]string{c.Salt, c.Service, c.Mode, c.Target} {
		text = appendPart(text, part)
	}
	for _, m := range r.AppendMembers(make([]openai.Member, 0, members)) {
		if unkeyed(m.Name) {
			continue
		}
		text = appendPart(text, m.Name)
		for value := []byte(m.Value); len(value) > 0; value = bytes.TrimLeft(value, space) {
			var piece []byte
			if piece, value = cut(value); len(text)+len(piece) <= cap(text) {
				text = append(text, piece...)
				continue
			}
			h.Write(text)
			h.Write(piece)
			text = text[:0]
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

// space is what may stand between the parts of a JSON value, and does not count.
const space = " \n\t\r"

// cut cuts a JSON value that was found valid before where such space begins.
func cut(value []byte) (piece, rest []byte) {
	i := 0
	for i < len(value) && (value[i] > ' ' || strings.IndexByte(space, value[i]) < 0) {
		if value[i] == '"' {
			i = quoteEnd(value, i)
		}
		i++
	}
	return value[:i], value[i:]
}

// quoteEnd is the place of the quote that ends the string that begins at i.
func quoteEnd(value []byte, i int) int {
	for {
		n := bytes.IndexByte(value[i+1:], '"')
		if n < 0 {
			return len(value) - 1
		}
		i += 1 + n
		escapes := 0
		for value[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}
