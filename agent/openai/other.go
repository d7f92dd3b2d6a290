package openai

import (
	"context"
	"encoding/json"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
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

// Opaque is a request of a service that is not chat, whose body is any JSON.
// That is its one field, called body.
func Opaque(service string, body []byte) *Request {
	return &Request{Service: service, Model: "auto", Size: len(body), fields: []field{{name: "body", value: body}}}
}

// Plain is an answer that is a body and no text: what is known of it beside
// that. Values in odd shapes are passed over.
func Plain(model, usage json.RawMessage) *Answer {
	in := inplace.Read(usage)
	_, counts := readUsage(&in)
	return &Answer{Model: inplace.String(model), Usage: counts}
}

// Send makes a call whose reply is one body, and returns that. Any status of
// success will do; another is an [*fault.Error].
func (c *Client) Send(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	resp, err := c.HTTP.RoundTrip(req)
	if err != nil {
		return nil, fault.OfSend(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refused(resp)
	}
	text, err := readAll(resp)
	if err != nil {
		return nil, fault.OfRead(ctx, err)
	}
	return inplace.Mended(c.hide(text)), nil
}
