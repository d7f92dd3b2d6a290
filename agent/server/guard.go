package server

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/server/headers"
	"nearside/agent/server/replies"
)

// home refuses, before anything else, what names a host that is not ours: over
// TCP a page may have had its own name lead here.
func (s *Server) home(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Request-Id"] = []string{headers.RequestID(r.Header)}
		if !callers.LineOf(r).Unix() && !slices.Contains(s.doors.Load().Hosts, hostOnly(r.Host)) {
			s.refuse(w, hostRefused, forbidden("The Host header is not one this server answers to; use localhost, or add it to listen.hosts."))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// guard refuses what a page talked a browser into, unless pages are taken and
// this one is listed, and callers that may not have what the route needs, see
// [callers.Book.Admit]; "{NAME}" is the service the path has there. Then it
// bounds the body, and passes on.
func (s *Server) guard(pages bool, need string, h http.HandlerFunc) http.Handler {
	wild := strings.Trim(need, "{}")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.fromPage(r.Header, pages) {
			s.refuse(w, originRefused, forbidden("Calls from web pages are not taken here; an origin of yours goes into listen.origins, for the OpenAI routes only."))
			return
		}
		allow(w, headers.First(r.Header, "Origin"))
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
		defer s.bound(w, r)()
		h(w, r)
	})
}

// unread gives what is sent from now on the time that it may stay unread. Asks
// take as long as their answers take, so that theirs begins with the answer.
func (s *Server) unread(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.Limits.Unread))
}

// taking gives a request with a body the time of that besides: one that does not
// come is told so, though a reply without a body would be unread for too long.
func (s *Server) taking(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.Limits.Body + s.opts.Limits.Unread))
		}
		h(w, r)
	}
}

// here refuses what does not come over the Unix socket: who may reach that is a
// matter of the device, whoever has which token.
func (s *Server) here(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !callers.LineOf(r).Unix() {
			replies.Error(w, &fault.Error{
				Status: http.StatusForbidden, Type: "permission_error", Code: "socket_only",
				Message: "This is taken on the Unix socket only, from somebody on this device.",
			})
			return
		}
		h(w, r)
	}
}

// allow lets a page of a listed origin read the reply.
func allow(w http.ResponseWriter, origin string) {
	if origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "*")
		w.Header().Set("Vary", "Origin")
	}
}

// fromPage tells whether a page sent the request that may not. Browsers name it
// in one of two headers, or, where the page has them name none, say at least
// that it is of another site.
func (s *Server) fromPage(h http.Header, pages bool) bool {
	if len(h["Origin"]) > 1 || len(h["Referer"]) > 1 {
		return true // no browser sends two, and one could hide the other
	}
	origin, referer := headers.First(h, "Origin"), headers.First(h, "Referer")
	if origin == "" && referer == "" {
		return strings.HasSuffix(headers.First(h, "Sec-Fetch-Site"), "-site") // cross-site, same-site
	}
	var origins []string
	if pages {
		origins = s.doors.Load().Origins
	}
	listed := func(o string) bool { return origin == "" || origin == o }
	links := func(o string) bool { return referer == "" || referer == o || strings.HasPrefix(referer, o+"/") }
	return !slices.ContainsFunc(origins, listed) || !slices.ContainsFunc(origins, links)
}

// preflight tells a browser what a page of a listed origin may send.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "*, Authorization")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

func forbidden(message string) *fault.Error {
	return &fault.Error{Status: http.StatusForbidden, Type: "permission_error", Code: "origin_refused", Message: message}
}

// hostOnly is a Host value without its port; an IPv6 address keeps its brackets.
func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}
