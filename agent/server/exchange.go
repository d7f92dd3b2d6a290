package server

import (
	"net/http"
	"strings"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
)

// decoder reads the body of a request.
type decoder func(body []byte) (*openai.Request, error)

// decoderOf is the decoder of a service; "" is chat.
func decoderOf(service string) (decoder, error) {
	switch service {
	case "", openai.Chat:
		return openai.Decode, nil
	case embed.Service:
		return embed.Decode, nil
	}
	return nil, openai.Invalid("service", "service is %.40q; it must be chat or embed.", service)
}

// exchange answers what has no streams: one body in, one body out.
func (s *Server) exchange(decode decoder) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Nearside-Route", "none") // until it is known better
		in, err := s.read(w, r, decode)
		if err != nil {
			writeError(w, wireError(err))
			return
		}
		if strings.EqualFold(single(r.Header, "X-Nearside-Defer"), "only") {
			writeError(w, unbuiltError("x-nearside-defer: only"))
			return
		}
		result, err := s.handle(r, in)
		s.plain(w, result, err)
	}
}
