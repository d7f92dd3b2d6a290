package headers

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
)

// First is the first value of a header, "" where it is absent. Names are written
// as net/http keeps them, in all of this package, so that nothing is made to find
// one.
func First(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// RequestID is the caller's own id where it is one, else a new one, which need
// only be like no other.
func RequestID(h http.Header) string {
	id := First(h, "X-Request-Id")
	plain := func(c rune) bool { return c > ' ' && c < 0x7f }
	if id != "" && len(id) <= 128 && strings.IndexFunc(id, func(c rune) bool { return !plain(c) }) < 0 {
		return id
	}
	var raw [12]byte
	binary.BigEndian.PutUint64(raw[:8], rand.Uint64())
	binary.BigEndian.PutUint32(raw[8:], rand.Uint32())
	var text [len("req_") + 2*len(raw)]byte
	hex.Encode(text[copy(text[:], "req_"):], raw[:])
	return string(text[:])
}
