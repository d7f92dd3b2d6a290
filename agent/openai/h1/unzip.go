package h1

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// unzipped is a body whose compression is undone.
type unzipped struct {
	*body
	in  *gzip.Reader // from body; nil until the first read
	err error        // of the first read
}

// unzip undoes a compression that the server chose, which it may where nobody
// said what is accepted.
func (b *body) unzip(req *http.Request) {
	said := b.resp.Header["Content-Encoding"]
	if len(said) == 0 || !strings.EqualFold(said[0], "gzip") || b.conn.home.rest.DisableCompression || req.Header["Accept-Encoding"] != nil {
		return
	}
	b.resp.Body = &unzipped{body: b}
	b.resp.Uncompressed, b.resp.ContentLength = true, -1
	delete(b.resp.Header, "Content-Encoding")
	delete(b.resp.Header, "Content-Length")
}

// Read reads on.
func (u *unzipped) Read(p []byte) (int, error) {
	if u.in == nil && u.err == nil {
		u.in, u.err = gzip.NewReader(u.body)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.in.Read(p)
}
