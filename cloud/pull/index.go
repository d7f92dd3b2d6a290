package pull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What may be served, in bytes and in number.
const (
	MaxBody      = 256 << 10
	MaxEnvelope  = 64 << 10
	MaxEnvelopes = 16
)

// split is the envelopes of an answer: the elements of an index, else the whole
// of it. What is in them is for others to judge.
func split(body []byte) ([][]byte, error) {
	body = bytes.TrimSpace(body)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("the answer is no JSON object: %w; it must be an envelope, or {\"envelopes\":[...]}", err)
	}
	list, index := fields["envelopes"]
	if !index {
		if _, ok := fields["payloadType"]; !ok {
			return nil, errors.New(`the answer has neither payloadType nor envelopes: it must be an envelope, or {"envelopes":[...]}`)
		}
		return bounded([][]byte{body})
	}
	if len(fields) > 1 {
		return nil, errors.New("the index must have nothing but envelopes")
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(list, &raw); err != nil {
		return nil, errors.New("envelopes must be a list")
	}
	all := make([][]byte, len(raw))
	for i, r := range raw {
		all[i] = r
	}
	return bounded(all)
}

// bounded holds the envelopes to what may be served.
func bounded(all [][]byte) ([][]byte, error) {
	if len(all) > MaxEnvelopes {
		return nil, fmt.Errorf("envelopes has %d: at most %d", len(all), MaxEnvelopes)
	}
	for i, e := range all {
		if len(e) > MaxEnvelope || e[0] != '{' {
			return nil, fmt.Errorf("envelopes[%d] must be an object of at most %d bytes", i, MaxEnvelope)
		}
	}
	return all, nil
}
