package embed

import (
	"bytes"
	"encoding/json"
	"strconv"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// Service is the name embeddings have among the services.
const Service = "embed"

// Bounds of a request.
const (
	maxInputs     = 2048
	maxDimensions = 1 << 16
)

// shape is what a caller wants of a reply.
type shape struct {
	inputs     int
	dimensions int // 0 is as the model likes
	base64     bool
}

// Decode reads and checks a request body. What it returns as an error is an
// [*fault.Error] that names the field and what would be right. Fields it does
// not know are kept for the target.
func Decode(body []byte) (*openai.Request, error) {
	r, err := openai.Other(Service, body)
	if err != nil {
		return nil, err
	}
	s := &shape{}
	if s.inputs, err = inputs(r.Field("input")); err != nil {
		return nil, err
	}
	if err := s.readForm(r); err != nil {
		return nil, err
	}
	if v := r.Field("user"); v != nil && v[0] != '"' {
		return nil, fault.Invalid("user", "user must be a string.")
	}
	r.Read = s.read
	return r, nil
}

func (s *shape) readForm(r *openai.Request) error {
	if v := r.Field("dimensions"); v != nil {
		if json.Unmarshal(v, &s.dimensions) != nil || s.dimensions < 1 || s.dimensions > maxDimensions {
			return fault.Invalid("dimensions", "dimensions is %.40s; it must be a whole number from 1 to %d.", v, maxDimensions)
		}
	}
	switch v := string(r.Field("encoding_format")); v {
	case "", `"float"`:
	case `"base64"`:
		s.base64 = true
	default:
		return fault.Invalid("encoding_format", "encoding_format is %.40s; it must be \"float\" or \"base64\".", v)
	}
	return nil
}

const wantInput = "a string, a list of strings, a list of tokens or a list of such lists"

// inputs counts what is to be embedded.
func inputs(raw json.RawMessage) (int, error) {
	if len(raw) == 0 {
		return 0, fault.Invalid("input", "input is missing; it must be %s.", wantInput)
	}
	if raw[0] == '"' {
		if len(raw) == 2 {
			return 0, fault.Invalid("input", "input is empty; it must be %s.", wantInput)
		}
		return 1, nil
	}
	if tokens(raw) {
		return 1, nil
	}
	if raw[0] != '[' {
		return 0, fault.Invalid("input", "input must be %s.", wantInput)
	}
	n := 0
	for range inplace.Elements(raw) {
		n++
	}
	switch {
	case n == 0:
		return 0, fault.Invalid("input", "input is empty; it must be %s.", wantInput)
	case n > maxInputs:
		return 0, fault.Invalid("input", "input has %d entries; at most %d are taken.", n, maxInputs)
	}
	return n, checkList(raw)
}

// checkList checks that all entries are of one kind, texts or lists of tokens.
func checkList(list json.RawMessage) error {
	i, text := 0, false
	for one := range inplace.Elements(list) {
		if i == 0 {
			text = one[0] == '"'
		}
		if text && (one[0] != '"' || len(one) == 2) || !text && !tokens(one) {
			return fault.Invalid("input", "input[%d] is not as it must be: input is %s, none of them empty.", i, wantInput)
		}
		i++
	}
	return nil
}

// tokens tells whether the value is a list of token numbers, and not empty. It
// makes no room for them, since there may be millions.
func tokens(raw json.RawMessage) bool {
	inside, ok := bytes.CutPrefix(raw, []byte("["))
	if !ok {
		return false
	}
	for one := range bytes.SplitSeq(bytes.TrimSuffix(inside, []byte("]")), []byte(",")) {
		if _, err := strconv.ParseUint(string(bytes.TrimSpace(one)), 10, 32); err != nil {
			return false
		}
	}
	return true
}
