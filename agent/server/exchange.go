package server

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// decoder reads the body of a request.
type decoder func(body []byte) (*openai.Request, error)

// decoderOf is the decoder of a service; "" is chat.
func decoderOf(service string) decoder {
	switch service {
	case "", openai.Chat:
		return openai.Decode
	case embed.Service:
		return embed.Decode
	}
	return func(body []byte) (*openai.Request, error) { return decodeAPI(service, body) }
}

// decodeAPI takes any JSON; what the service wants of it, its schema says.
func decodeAPI(service string, body []byte) (*openai.Request, error) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return nil, fault.Invalid("body", "The body must be JSON in UTF-8.")
	}
	return openai.API(service, body), nil
}

// exchange answers what has no streams: one body in, one body out.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, decode decoder) {
	in, ok := s.asked(w, r, decode)
	if !ok {
		return
	}
	result, err := s.handle(r, in)
	s.plain(w, result, err)
}

// ownRoutes are of services that are no JSON APIs.
var ownRoutes = map[string]string{openai.Chat: chatPath, embed.Service: embedPath}

func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) { s.exchange(w, r, embed.Decode) }

func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	service := r.PathValue("service")
	if own, ok := ownRoutes[service]; ok {
		replies.Error(w, &fault.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "service_not_found", Param: "service",
			Message: service + " has a route of its own: POST " + own + ".",
		})
		return
	}
	s.exchange(w, r, func(body []byte) (*openai.Request, error) { return decodeAPI(service, body) })
}
