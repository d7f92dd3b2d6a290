package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nearside/agent/openai"
)

type callerKey struct{}

// caller is who is at the other end of a connection.
type caller struct {
	name string // uid:1000, or tcp:127.0.0.1
	unix bool
}

// identify asks the kernel who is calling, once per connection.
func identify(ctx context.Context, c net.Conn) context.Context {
	who := caller{name: "tcp"}
	switch c := c.(type) {
	case *net.UnixConn:
		who = caller{name: "uid:" + peer(c), unix: true}
	case *net.TCPConn:
		if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err == nil {
			who.name = "tcp:" + host
		}
	}
	return context.WithValue(ctx, callerKey{}, who)
}

// peer is the user id of the process at the other end, "unknown" where the
// kernel does not say.
func peer(c *net.UnixConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return "unknown"
	}
	uid := "unknown"
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = fmt.Sprint(cred.Uid)
		}
	})
	return uid
}

func who(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

// guard refuses what a browser was talked into: over TCP the Host must be one
// of ours, and an Origin or Referer only comes through where pages are taken
// and it is listed.
// Then it names the request, bounds its body, and passes on.
func (s *Server) guard(pages bool, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-request-id", requestID(r))
		if e := s.strange(r, pages); e != nil {
			writeError(w, e)
			return
		}
		if o := r.Header.Get("Origin"); o != "" {
			w.Header().Set("Access-Control-Allow-Origin", o)
			w.Header().Set("Access-Control-Expose-Headers", "*")
			w.Header().Set("Vary", "Origin")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		ctl := http.NewResponseController(w)
		_ = ctl.SetReadDeadline(time.Now().Add(bodyTimeout))
		_ = ctl.SetWriteDeadline(time.Time{}) // of the request before
		h(w, r)
	})
}

func (s *Server) strange(r *http.Request, pages bool) *openai.Error {
	doors := s.doors.Load()
	if !who(r).unix && !slices.Contains(doors.Hosts, hostOnly(r.Host)) {
		return forbidden("The Host header is not one this server answers to; use localhost, or add it to listen.hosts.")
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
			return forbidden("Calls from web pages are not taken here; an origin of yours goes into listen.origins, for the OpenAI routes only.")
		}
	}
	return nil
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
