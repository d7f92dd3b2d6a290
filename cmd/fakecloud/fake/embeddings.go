package fake

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strings"

	"nearside/cmd/fakecloud/fake/chat"
)

const embeddingsPath = "/v1/embeddings"

// usualLength is the length of a vector when the caller names none.
const usualLength = 8

// embedQuestion is a request for embeddings.
type embedQuestion struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     string          `json:"encoding_format"`
	Dimensions int             `json:"dimensions"`
	User       string          `json:"user"`
}

func (s *Server) embeddings(c *call, in incoming) error {
	if bad := checkContentType(in.r.Header); bad != nil {
		return c.refuse(bad)
	}
	var q embedQuestion
	if err := json.Unmarshal(in.body, &q); err != nil {
		return c.refuse(chat.Rejected(http.StatusBadRequest, "", "We could not parse the JSON body of your request: %v", err))
	}
	if bad := s.checkModel(q.Model); bad != nil {
		return c.refuse(bad)
	}
	inputs := inputsOf(q.Input)
	if len(inputs) == 0 || q.Dimensions < 0 {
		return c.refuse(chat.Rejected(http.StatusBadRequest, "", "'$.input' is invalid. Please check the API reference."))
	}
	if err := c.pause(s.opts.FirstByte); err != nil {
		return err
	}
	return c.json(s.embed(c, &q, inputs))
}

// inputsOf are the texts, or lists of tokens, to embed.
func inputsOf(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return []json.RawMessage{raw} // one text
	}
	if len(list) > 0 && list[0][0] != '"' && list[0][0] != '[' {
		return []json.RawMessage{raw} // one list of tokens
	}
	return list
}

func (s *Server) embed(c *call, q *embedQuestion, inputs []json.RawMessage) map[string]any {
	data, tokens := []any{}, 0
	for i, input := range inputs {
		tokens += 1 + len(strings.Fields(string(input)))
		v := vectorOf(input, q.Dimensions)
		switch {
		case c.fault.Kind == Empty:
			v = nil
		case c.fault.Kind == Misshapen && i == len(inputs)-1:
			v = v[1:]
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": s.inForm(v, q.Format)})
	}
	if c.fault.Kind == NoChoices {
		data = data[:0]
	}
	return map[string]any{
		"object": "list", "data": data, "model": q.Model,
		"usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	}
}

// inForm is the vector as the caller wants it, or as floats whatever it wants,
// as many servers do.
func (s *Server) inForm(v []float32, format string) any {
	if format != "base64" || s.opts.FloatsOnly {
		return append([]float32{}, v...)
	}
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// vectorOf is the same for the same input.
func vectorOf(input []byte, length int) []float32 {
	if length == 0 {
		length = usualLength
	}
	v := make([]float32, length)
	for i := range v {
		h := fnv.New32a()
		fmt.Fprintf(h, "%d %s", i, input)
		v[i] = float32(h.Sum32()%2000)/1000 - 1
	}
	return v
}
