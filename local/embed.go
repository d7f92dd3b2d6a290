package local

import (
	"context"
	"net/http"
	"slices"

	"nearside/agent/openai"
	"nearside/agent/openai/client"
)

// embedded are the fields of a caller's request for embeddings that may reach
// a local engine.
var embedded = []string{"input", "encoding_format", "dimensions"}

// embed asks for embeddings, the only service beside chat.
func (t *target) embed(ctx context.Context, asks *client.Client, r *openai.Request) (*openai.Reply, error) {
	body, err := asks.Send(ctx, http.MethodPost, "/embeddings", r.Only(embedded, map[string]any{"model": t.model.Name}))
	if err != nil {
		return nil, err
	}
	reply := &openai.Reply{Target: "local/" + t.model.Name}
	for _, name := range r.Names() {
		if name != "model" && name != "user" && !slices.Contains(embedded, name) && len(reply.Ignored) < maxIgnored {
			reply.Ignored = append(reply.Ignored, printable(name))
		}
	}
	if reply.Answer, reply.Body, err = r.Read(body); err != nil {
		return nil, err
	}
	return reply, nil
}
