package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// vector is one embedding, as it came.
type vector struct {
	raw    json.RawMessage
	floats []float32
	base64 bool
}

// UnmarshalJSON takes both forms.
func (v *vector) UnmarshalJSON(raw []byte) error {
	v.raw = append(v.raw[:0], raw...)
	v.base64 = raw[0] == '"'
	if !v.base64 {
		if bytes.Contains(raw, []byte("null")) {
			return errors.New("null is no number")
		}
		return json.Unmarshal(raw, &v.floats)
	}
	var packed []byte // encoding/json reads base64 into bytes
	if err := json.Unmarshal(raw, &packed); err != nil {
		return err
	}
	if len(packed)%4 != 0 {
		return fmt.Errorf("%d bytes of base64 are no floats", len(packed))
	}
	for i := 0; i < len(packed); i += 4 {
		v.floats = append(v.floats, math.Float32frombits(binary.LittleEndian.Uint32(packed[i:])))
	}
	return nil
}

// fault says what is wrong with the numbers, "" when nothing is.
func (v *vector) fault(length int) string {
	if len(v.floats) == 0 {
		return "an embedding is empty"
	}
	if len(v.floats) != length {
		return fmt.Sprintf("an embedding has %d numbers, not %d", len(v.floats), length)
	}
	for _, f := range v.floats {
		if f != f || math.IsInf(float64(f), 0) {
			return "an embedding holds what is no finite number"
		}
	}
	return ""
}

// in is the embedding in the form the caller wants; untouched where it has
// that already, so that no digit is lost.
func (v *vector) in(packed bool) any {
	if v.base64 == packed {
		return v.raw
	}
	if !packed {
		return v.floats
	}
	b := make([]byte, 0, 4*len(v.floats))
	for _, f := range v.floats {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// reply is the body of a target's reply.
type reply struct {
	Model json.RawMessage `json:"model"`
	Usage json.RawMessage `json:"usage"`
	Data  []struct {
		Index     *int   `json:"index"`
		Embedding vector `json:"embedding"`
	} `json:"data"`
}

// read checks the reply of a target: as many embeddings as there were inputs,
// each once, all of the length asked for, finite. What is not so is
// [fault.ErrBroken].
func (s *shape) read(body []byte) (*completion.Answer, []byte, error) {
	var got reply
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", fault.ErrBroken, err)
	}
	if len(got.Data) != s.inputs {
		return nil, nil, fmt.Errorf("%w: %d embeddings for %d inputs", fault.ErrBroken, len(got.Data), s.inputs)
	}
	data, err := s.order(&got)
	if err != nil {
		return nil, nil, err
	}
	answer := completion.Opaque(got.Model, got.Usage)
	out := map[string]any{"object": "list", "data": data, "model": answer.Model, "usage": json.RawMessage(`{"prompt_tokens":0,"total_tokens":0}`)}
	if answer.Usage != nil {
		out["usage"] = map[string]int{"prompt_tokens": answer.Usage.In, "total_tokens": answer.Usage.In}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", fault.ErrBroken, err)
	}
	return answer, text, nil
}

// entry is one embedding as it goes out.
type entry struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// order puts the embeddings in the order of the inputs. A server may leave the
// index out; then their order is that of the list.
func (s *shape) order(got *reply) ([]entry, error) {
	length := s.dimensions
	if length == 0 {
		length = len(got.Data[0].Embedding.floats)
	}
	out := make([]entry, len(got.Data))
	for i := range got.Data {
		d := &got.Data[i]
		at := i
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= len(out) || out[at].Object != "" {
			return nil, fmt.Errorf("%w: index %d is there twice or out of range", fault.ErrBroken, at)
		}
		if why := d.Embedding.fault(length); why != "" {
			return nil, fmt.Errorf("%w: %s", fault.ErrBroken, why)
		}
		out[at] = entry{"embedding", at, d.Embedding.in(s.base64)}
	}
	return out, nil
}
