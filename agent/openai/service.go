package openai

import (
	"encoding/json"
	"fmt"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// Chat is the name of the service that the rest of this package speaks.
const Chat = "chat"

// Other reads a request of a service that is not chat and has a model. None of
// its fields is a list or an object that is too long. Its Read is for the caller
// to set, before it is given away.
func Other(service string, body []byte) (*Request, error) {
	r, err := newRequest(service, body)
	if err != nil {
		return nil, err
	}
	for _, f := range r.fields {
		if err := tooMany(f.name, f.value); err != nil {
			return nil, err
		}
	}
	return r, r.readModel()
}

// API is a request of a named JSON API with the body, which is valid JSON. That
// is its one field, called body.
func API(service string, body []byte) *Request {
	return &Request{Service: service, Model: "auto", Size: len(body), Read: readAny, fields: []field{{name: "body", value: body}}}
}

// readAny takes any JSON as a reply.
func readAny(body []byte) (*completion.Answer, []byte, error) {
	if len(body) == 0 {
		body = []byte("null") // a 204 says nothing
	}
	if !json.Valid(body) {
		return nil, nil, fmt.Errorf("%w: it is not JSON", fault.ErrBroken)
	}
	return &completion.Answer{}, body, nil
}
