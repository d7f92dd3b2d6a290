package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"nearside/agent/openai/inplace"
)

// bytesOf32 is the size of a float in base64.
const bytesOf32 = 4

const notFinite = "an embedding holds what is no finite number"

// check counts the numbers of an embedding, in either form, and says what is
// wrong with it, "" when nothing is.
func check(embedding json.RawMessage) (n int, why string) {
	switch inplace.First(embedding) {
	case '[':
		for one := range inplace.Elements(embedding) {
			if !finite(one) {
				return n, notFinite
			}
			n++
		}
		return n, ""
	case '"':
		packed, err := unpack(embedding)
		if err != nil || len(packed)%bytesOf32 != 0 {
			return 0, "an embedding is no base64 of floats"
		}
		for ; len(packed) > 0; packed = packed[bytesOf32:] {
			if f := float64(first(packed)); math.IsNaN(f) || math.IsInf(f, 0) {
				return n, notFinite
			}
			n++
		}
		return n, ""
	}
	return 0, "an embedding is neither a list nor base64"
}

// finite tells whether a value is a number that fits a float of 32 bits. One that
// is short and has no exponent does.
func finite(one json.RawMessage) bool {
	if c := inplace.First(one); c != '-' && (c < '0' || c > '9') {
		return false
	}
	if len(one) <= 30 && bytes.IndexByte(one, 'e') < 0 && bytes.IndexByte(one, 'E') < 0 {
		return true
	}
	_, err := strconv.ParseFloat(string(one), 32)
	return err == nil
}

// unpack reads base64.
func unpack(embedding json.RawMessage) ([]byte, error) {
	text, plain := inplace.Bare(embedding)
	if !plain {
		text = []byte(inplace.String(embedding))
	}
	return base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
}

// first is the first float of what was packed.
func first(packed []byte) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(packed))
}

// appendVector adds an embedding that was checked in the form the caller wants; as
// it lies where it has that already, so that no digit is lost.
func appendVector(to []byte, embedding json.RawMessage, packed bool) []byte {
	switch written := embedding[0] == '"'; {
	case written == packed:
		return append(to, embedding...)
	case packed:
		var b []byte
		for one := range inplace.Elements(embedding) {
			f, _ := strconv.ParseFloat(string(one), 32)
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(f)))
		}
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), b), '"')
	}
	b, _ := unpack(embedding)
	to = append(to, '[')
	for ; len(b) > 0; b = b[bytesOf32:] {
		to = append(strconv.AppendFloat(to, float64(first(b)), 'g', -1, 32), ',')
	}
	return inplace.Close(to, ']')
}
