package embed

import (
	"encoding/json"
	"fmt"
	"strconv"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// reply is the body of a target's reply, as far as it is read.
type reply struct {
	model, usage json.RawMessage
	data         []entry // as many as were asked for
	count        int     // of all
}

// entry is one embedding as it came.
type entry struct{ index, embedding json.RawMessage }

// read checks the reply of a target: as many embeddings as there were inputs,
// each once, all of the length asked for, finite. What is not so is
// [fault.ErrBroken].
func (s *shape) read(body []byte) (*completion.Answer, []byte, error) {
	var got reply
	if !got.read(body, s.inputs) {
		return nil, nil, fmt.Errorf("%w: not a JSON object", fault.ErrBroken)
	}
	if got.count != s.inputs {
		return nil, nil, fmt.Errorf("%w: %d embeddings for %d inputs", fault.ErrBroken, got.count, s.inputs)
	}
	data, err := s.order(got.data)
	if err != nil {
		return nil, nil, err
	}
	answer := completion.Opaque(got.model, got.usage)
	out := append(make([]byte, 0, len(body)+room*len(data)), `{"data":[`...)
	for i, one := range data {
		out = strconv.AppendInt(append(out, `{"object":"embedding","index":`...), int64(i), 10)
		out = append(appendVector(append(out, `,"embedding":`...), one, s.base64), "},"...)
	}
	out = append(inplace.Close(out, ']'), `,"model":`...)
	out = append(inplace.AppendString(out, answer.Model), `,"object":"list","usage":{"prompt_tokens":`...)
	in := int64(0)
	if answer.Usage != nil {
		in = int64(answer.Usage.In)
	}
	out = strconv.AppendInt(append(strconv.AppendInt(out, in, 10), `,"total_tokens":`...), in, 10)
	return answer, append(out, "}}"...), nil
}

// room is more than what is written beside one embedding.
const room = 80

// read takes in a reply with at most so many embeddings; others are counted. It
// is false for what is no JSON object.
func (r *reply) read(body []byte, most int) bool {
	in := inplace.Read(body)
	object := in.Object()
	for object && in.Member() {
		switch string(in.Name) {
		case "model":
			r.model = in.Value()
		case "usage":
			r.usage = in.Value()
		case "data":
			r.readData(&in, most)
		}
	}
	return in.Done() && object
}

func (r *reply) readData(in *inplace.Reader, most int) {
	r.data, r.count = r.data[:0], 0
	if !in.List() {
		return
	}
	for in.Element() {
		var e entry
		for open := in.Object(); open && in.Member(); {
			switch string(in.Name) {
			case "index":
				e.index = in.Value()
			case "embedding":
				e.embedding = in.Value()
			}
		}
		if r.count++; r.count <= most {
			r.data = append(r.data, e)
		}
	}
}

// order puts the embeddings in the order of the inputs, and checks them. A server
// may leave the index out; then their order is that of the list.
func (s *shape) order(data []entry) ([]json.RawMessage, error) {
	length := s.dimensions
	out := make([]json.RawMessage, len(data))
	for i, e := range data {
		at := int64(i)
		if c := inplace.First(e.index); c != 0 && c != 'n' {
			n, ok := inplace.Digits(e.index)
			if at = n; !ok {
				at = -1
			}
		}
		if at < 0 || at >= int64(len(out)) || out[at] != nil {
			return nil, fmt.Errorf("%w: index %d is there twice or out of range", fault.ErrBroken, at)
		}
		n, why := check(e.embedding)
		if length == 0 {
			length = n
		}
		switch {
		case why != "":
			return nil, fmt.Errorf("%w: %s", fault.ErrBroken, why)
		case n == 0:
			return nil, fmt.Errorf("%w: an embedding is empty", fault.ErrBroken)
		case n != length:
			return nil, fmt.Errorf("%w: an embedding has %d numbers, not %d", fault.ErrBroken, n, length)
		}
		out[at] = e.embedding
	}
	return out, nil
}
