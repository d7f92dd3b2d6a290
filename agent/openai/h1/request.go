package h1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// MaxBody is the size of a request's body, in bytes, up to which it is plain: a
// server takes that much in before it has to answer.
const MaxBody = 64 << 10

// roomHead are the bytes that the head of most requests does not exceed.
const roomHead = 512

// agentName is what the library calls itself, too.
const agentName = "Go-http-client/1.1"

// errOther is a request that goes the library's way.
var errOther = errors.New("not a plain request")

// letter is a request as it goes over the wire.
type letter struct {
	ctx  context.Context // of the call
	req  *http.Request   // that replies are read for
	addr string          // of the server
	text []byte
}

// compose writes a plain request as it goes over the wire, and closes its body.
// With [errOther] nothing was touched.
func (t *Transport) compose(req *http.Request) ([]byte, error) {
	text, err := t.head(req, req.ContentLength+1)
	if err != nil {
		return nil, err
	}
	if req.ContentLength > 0 || req.Method == http.MethodPost {
		text = appendLength(text, req.ContentLength)
	}
	return appendBody(append(text, "\r\n\r\n"...), req)
}

// appendLength writes the line that says how long the body is.
func appendLength(text []byte, n int64) []byte {
	return strconv.AppendInt(append(text, "\r\nContent-Length: "...), n, 10)
}

// head writes the head of a plain request but for the length of its body and the
// end. There is room for some bytes more.
func (t *Transport) head(req *http.Request, more int64) ([]byte, error) {
	if !t.takes(req) {
		return nil, errOther
	}
	text := make([]byte, 0, roomHead+more)
	text = append(text, req.Method...)
	text = append(text, ' ')
	path := req.URL.RequestURI()
	text = append(text, path...)
	text = append(text, " HTTP/1.1\r\nHost: "...)
	host := cmp.Or(req.Host, req.URL.Host)
	text = append(text, host...)
	if !visible(path) || host != req.URL.Host && !plainHost(host) {
		return nil, errOther
	}
	text, ok := appendHeader(text, req.Header)
	if !ok {
		return nil, errOther
	}
	return text, nil
}

// takes tells whether a request is plain, as far as its address and its body go.
func (t *Transport) takes(req *http.Request) bool {
	u := req.URL
	switch {
	case u == nil || u.Scheme != "http" || u.Opaque != "" || !plainHost(u.Host):
		return false
	case req.Method != http.MethodPost && req.Method != http.MethodGet:
		return false
	case req.Close || len(req.TransferEncoding) > 0 || len(req.Trailer) > 0:
		return false
	case req.Body == nil || req.Body == http.NoBody:
		if req.ContentLength != 0 {
			return false
		}
	case req.GetBody == nil || req.ContentLength <= 0 || req.ContentLength > MaxBody:
		return false // what can be had again lies in memory
	}
	if t.rest.Proxy == nil {
		return true
	}
	proxy, err := t.rest.Proxy(req)
	return proxy == nil && err == nil
}

// appendHeader writes the lines of a header without their end; ok is false when
// there is one that is more than a word for the server, or may not be sent.
func appendHeader(text []byte, header http.Header) (_ []byte, ok bool) {
	if _, named := header["User-Agent"]; !named {
		text = append(text, "\r\nUser-Agent: "+agentName...)
	}
	for name, values := range header {
		if !canonical(name) || special(name) || name == "User-Agent" && len(values) > 1 {
			return nil, false // of agents the library sends the first
		}
		for _, v := range values {
			if v == "" && name == "User-Agent" {
				continue // so that none is sent
			}
			if !printable(v) {
				return nil, false
			}
			text = append(text, "\r\n"...)
			text = append(text, name...)
			text = append(text, ": "...)
			text = append(text, v...)
		}
	}
	return text, true
}

// special tells whether a header says something of the connection or of how
// the message is framed.
func special(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// appendBody writes the body behind the head; it has to be as long as was said.
func appendBody(text []byte, req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return text, nil
	}
	defer req.Body.Close()
	end := len(text) + int(req.ContentLength)
	all := append(text, make([]byte, req.ContentLength+1)...) // with room for a byte too many
	if n, err := io.ReadFull(req.Body, all[len(text):]); err != io.ErrUnexpectedEOF || len(text)+n != end {
		return nil, fmt.Errorf("read the request's body: %w", bodyFault(err))
	}
	return all[:end], nil
}

func bodyFault(err error) error {
	if err == nil || err == io.ErrUnexpectedEOF || err == io.EOF {
		return errors.New("it is not as long as was said")
	}
	return err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// replayable tells whether the request may be sent once more when no answer
// came: the library goes by the same.
func replayable(req *http.Request) bool {
	if req.Method == http.MethodGet {
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, old := req.Header["X-Idempotency-Key"]
	return key || old
}

// address is where a URL of plain HTTP leads to.
func address(u *url.URL) string {
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

// plainHost tells whether a host, with or without a port, goes into a header as
// it is: neither a zone nor letters that would have to be encoded.
func plainHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '-' <= c && c <= ':' && c != '/', c == '_', c == '[', c == ']':
		default:
			return false
		}
	}
	return s != "" && s[len(s)-1] != ':'
}

// visible tells whether a text is all of printable characters of ASCII but the
// blank.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// printable tells whether a value may stand in a header: printable characters of
// ASCII, with no blanks around them.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// canonical tells whether a name of a header is of letters, digits and dashes
// and written as [http.CanonicalHeaderKey] has it.
func canonical(name string) bool {
	upper := true // the next letter
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || '0' <= c && c <= '9':
		case 'A' <= c && c <= 'Z' && upper, 'a' <= c && c <= 'z' && !upper:
		default:
			return false
		}
		upper = name[i] == '-'
	}
	return name != ""
}
