package server

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai"
	"nearside/agent/server/callers"
)

// guard refuses what a browser was talked into: over TCP the Host must be one
// of ours, and an Origin or Referer only comes through where pages are taken
// and it is listed. It refuses callers that may not have what the route needs,
// see [callers.Book.Admit]; "{NAME}" is the service the path has there. Then it
// bounds the body, and passes on.
func (s *Server) guard(pages bool, need string, h http.HandlerFunc) http.Handler {
	wild := strings.Trim(need, "{}")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", requestID(r))
		ctl := http.NewResponseController(w)
		_ = ctl.SetWriteDeadline(time.Now().Add(s.opts.Limits.Unread)) // of a refusal, or of a reply made at once
		if reason, e := s.strange(r, pages); e != nil {
			s.refuse(w, reason, e)
			return
		}
		allow(w, r)
		needed := need
		if wild != need {
			needed = r.PathValue(wild)
		}
		pass, err := s.opts.Callers.Admit(r, needed)
		if err != nil {
			e := denial(err)
			s.refuse(w, e.Code, e)
			return
		}
		defer pass.Leave()
		if pass.Asks() {
			_ = ctl.SetWriteDeadline(time.Time{}) // it is set when there is an answer
		}
		_ = ctl.SetReadDeadline(time.Now().Add(s.opts.Limits.Body))
		defer s.bound(w, r)()
		h(w, r)
	})
}

// allow lets a page of a listed origin read the reply.
func allow(w http.ResponseWriter, r *http.Request) {
	if o := r.Header.Get("Origin"); o != "" {
		w.Header().Set("Access-Control-Allow-Origin", o)
		w.Header().Set("Access-Control-Expose-Headers", "*")
		w.Header().Set("Vary", "Origin")
	}
}

func (s *Server) strange(r *http.Request, pages bool) (reason string, e *openai.Error) {
	doors := s.doors.Load()
	if !callers.LineOf(r).Unix() && !slices.Contains(doors.Hosts, hostOnly(r.Host)) {
		return hostRefused, forbidden("The Host header is not one this server answers to; use localhost, or add it to listen.hosts.")
	}
	var origins []string
	if pages {
		origins = doors.Origins
	}
	for _, name := range []string{"Origin", "Referer"} {
		v := r.Header.Get(name)
		if v == "" {
			continue
		}
		if !slices.ContainsFunc(origins, func(o string) bool { return v == o || name == "Referer" && strings.HasPrefix(v, o+"/") }) {
			return originRefused, forbidden("Calls from web pages are not taken here; an origin of yours goes into listen.origins, for the OpenAI routes only.")
		}
	}
	return "", nil
}

// preflight tells a browser what a page of a listed origin may send.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "*, Authorization")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

func forbidden(message string) *openai.Error {
	return &openai.Error{Status: http.StatusForbidden, Type: "permission_error", Code: "origin_refused", Message: message}
}

// hostOnly is a Host value without its port; an IPv6 address keeps its brackets.
func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}
