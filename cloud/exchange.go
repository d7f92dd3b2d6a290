package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// paths are where an API in the OpenAI shape answers services beside chat.
var paths = map[string]string{"embed": "/embeddings"}

// exchange asks for what is not chat: the reply is one body, checked as the
// request and the call want it.
func (m *member) exchange(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	body, err := m.post(ctx, call)
	if err != nil {
		return nil, err
	}
	reply := &openai.Reply{Target: m.Name}
	if reply.Answer, reply.Body, err = call.Request.Read(body); err != nil {
		return nil, err
	}
	if call.Check != nil {
		if err := call.Check(reply.Body); err != nil {
			return nil, fmt.Errorf("%w: %w", fault.ErrUnfit, err)
		}
	}
	return reply, nil
}

func (m *member) post(ctx context.Context, call openai.Call) ([]byte, error) {
	r := call.Request
	if m.APIs != nil {
		return m.callAPI(ctx, call)
	}
	path, ok := paths[r.Service]
	if !ok {
		return nil, fault.ErrDown // a service it does not have is not planned for it
	}
	return m.client(call.Trace).Send(ctx, http.MethodPost, path, r.Body(m.Models[r.Service]))
}

// callAPI sends the body on as it came; for GET its fields are the query. The
// same key of idempotency goes with every attempt for one request, so that an
// API which knows such keys does once what it is asked for twice.
func (m *member) callAPI(ctx context.Context, call openai.Call) ([]byte, error) {
	api, ok := m.APIs[call.Request.Service]
	if !ok {
		return nil, fault.ErrDown
	}
	client, body, path := m.client(call.Trace), []byte(call.Request.Field("body")), api.Path
	client.Header = m.headers(call.ID)
	if api.Method == http.MethodGet {
		query, err := queryOf(body)
		if err != nil {
			return nil, err
		}
		body, path = nil, path+query
	}
	reply, err := client.Send(ctx, api.Method, path, body)
	if ofRequest(err) {
		return nil, fault.Final(err)
	}
	return reply, err
}

func (m *member) headers(id string) http.Header {
	h := http.Header{}
	for name, v := range m.Header {
		h.Set(name, v)
	}
	if id != "" {
		h.Set("Idempotency-Key", id)
	}
	if m.KeyIn != "" {
		m.mu.Lock()
		defer m.mu.Unlock()
		h.Set(m.KeyIn, m.key)
	}
	return h
}

// queryOf writes the fields of an object as a query.
func queryOf(body []byte) (string, error) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // as it was written
	if err := d.Decode(&fields); err != nil {
		return "", fault.Invalid("body", "The body must be an object: this service is asked by GET, with its fields as the query.")
	}
	q := url.Values{}
	for name, v := range fields {
		switch v := v.(type) {
		case nil:
		case string, bool, json.Number:
			q.Set(name, fmt.Sprint(v))
		default:
			return "", fault.Invalid("body", "body.%.64s is a list or an object; this service is asked by GET, which takes texts, numbers, true and false.", name)
		}
	}
	return strings.TrimSuffix("?"+q.Encode(), "?"), nil
}

// ofRequest tells whether an API that is no model means the request with a
// status of 4xx: that there is no such thing, say. A model's 404 is its own.
func ofRequest(err error) bool {
	var e *fault.Error
	if !errors.As(err, &e) || e.Status >= http.StatusInternalServerError {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return true
}
