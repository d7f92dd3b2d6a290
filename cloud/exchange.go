package cloud

import (
	"context"
	"fmt"
	"net/http"

	"nearside/agent/openai"
)

// paths are where an API in the OpenAI shape answers services beside chat.
var paths = map[string]string{"embed": "/embeddings"}

// exchange asks for what is not chat: the reply is one body, checked as the
// request wants it.
func (m *member) exchange(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	r := call.Request
	path, ok := paths[r.Service]
	if !ok {
		return nil, openai.ErrDown // a service it does not have is not planned for it
	}
	body, err := m.client().Send(ctx, http.MethodPost, path, r.Body(m.Models[r.Service]))
	if err != nil {
		return nil, err
	}
	reply := &openai.Reply{Target: m.Name}
	if reply.Answer, reply.Body, err = r.Read(body); err != nil {
		return nil, err
	}
	if call.Check != nil {
		if err := call.Check(reply.Body); err != nil {
			return nil, fmt.Errorf("%w: %w", openai.ErrUnfit, err)
		}
	}
	return reply, nil
}
