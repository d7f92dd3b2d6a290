package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/server"
)

// patience is how long a test waits for what should come soon.
const patience = 2 * time.Minute

// wire is one connection on which a test says what no client would.
type wire struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func (f *face) dial(t testing.TB, network string) *wire {
	t.Helper()
	addr := f.addr
	if network == "unix" {
		addr = f.socket
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience / 2)) // before the server's own limits, where they are the patience of a test
	return &wire{t, conn, bufio.NewReader(conn)}
}

// say writes; a server that has had enough may have closed.
func (w *wire) say(text string) {
	_, _ = io.WriteString(w.Conn, text)
}

// hear reads one answer; nil is a connection that was closed without one.
func (w *wire) hear() *http.Response {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if timeout(err) {
		w.t.Fatalf("neither an answer nor the end: %v", err)
	}
	if err != nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, resp.Body); timeout(err) {
		w.t.Fatalf("the answer does not end: %v", err)
	}
	return resp
}

// ends checks that the server closes the connection and says no more.
func (w *wire) ends(what string) {
	w.t.Helper()
	text, err := io.ReadAll(w.in)
	if timeout(err) {
		w.t.Errorf("%s: the connection stays open", what)
	}
	if len(text) > 0 {
		w.t.Errorf("%s: there is more: %.200q", what, text)
	}
}

func timeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

const post = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"

// whole is a good request with its length.
func whole(body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body)
}

// TestShapes: what two parsers could read in two ways is refused, or read in one
// and the connection closed, so that nothing can hide in it.
func TestShapes(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	const hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hello), hello)
	get := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
	for name, c := range map[string]struct {
		text string
		want int // 0: closed without an answer
	}{
		"length and chunks":        {post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + hidden, 200},
		"chunks and length":        {post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk + hidden, 200},
		"two lengths":              {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" + hidden, 400},
		"two lengths in one":       {post + "Content-Length: 5, 6\r\n\r\nabcdef" + hidden, 400},
		"length with a sign":       {post + "Content-Length: +5\r\n\r\nabcde" + hidden, 400},
		"length below zero":        {post + "Content-Length: -5\r\n\r\n" + hidden, 400},
		"length in hex":            {post + "Content-Length: 0x5\r\n\r\nabcde" + hidden, 400},
		"length past all":          {post + "Content-Length: 99999999999999999999\r\n\r\n" + hidden, 400},
		"length past the bound":    {post + "Content-Length: 999999999999\r\n\r\n{", 413},
		"unknown coding":           {post + "Transfer-Encoding: xchunked\r\n\r\n" + chunk + hidden, 501},
		"two codings":              {post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk + hidden, 501},
		"coding twice":             {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk + hidden, 501},
		"coding with a tab":        {post + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunk + hidden, 400},
		"space before the colon":   {post + "Transfer-Encoding : chunked\r\n\r\n" + chunk + hidden, 400},
		"folded header":            {post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunk + hidden, 200},
		"chunk with a bare LF":     {post + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" + hidden, 400},
		"chunk size past all":      {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}" + hidden, 400},
		"chunk size below zero":    {post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n" + hidden, 400},
		"chunk without its end":    {post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n" + hidden, 400},
		"chunks that are not":      {post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("nonsense\r\n", 100), 400},
		"extensions without end":   {post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\n{\r\n", 1000), 400},
		"absolute form":            {"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 403},
		"absolute form, no scheme": {"GET //evil.example/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403},
		"path that climbs":         {"GET /v1/../../v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403},
		"connect":                  {"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n", 403},
		"options of all":           {"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403},
		"two hosts":                {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		"host with a path":         {"GET /healthz HTTP/1.1\r\nHost: localhost/evil\r\n\r\n", 400},
		"host with a user":         {"GET /healthz HTTP/1.1\r\nHost: localhost@evil.example\r\nConnection: close\r\n\r\n", 400},
		"header without a colon":   {get + "nonsense\r\n\r\n", 400},
		"header with a NUL":        {get + "X: a\x00b\r\n\r\n", 400},
		"header with a bare CR":    {get + "X: a\rY: b\r\n\r\n", 400},
		"no version":               {"GET /healthz\r\n\r\n", 400},
		"another version":          {"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", 505},
		"HTTP/2":                   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 403},
		"a million bytes of head":  {get + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
		"a head of many lines":     {get + strings.Repeat("X: x\r\n", 1<<17) + "\r\n", 431},
		"a path of a million":      {"GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			w := f.dial(t, "tcp")
			go w.say(c.text) // a long one is not read to its end
			resp := w.hear()
			if resp == nil && c.want != 0 || resp != nil && resp.StatusCode != c.want {
				t.Errorf("got %+v, want status %d", resp, c.want)
			}
			w.ends(name)
		})
	}
	if got := f.chat(hello); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

// TestExpect: a body that would be refused is not asked for.
func TestExpect(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	w := f.dial(t, "tcp")
	w.say("POST /v1/chat/completions HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
	if resp := w.hear(); resp == nil || resp.StatusCode != 403 {
		t.Errorf("got %+v", resp)
	}
	w.ends("after the refusal")
}

// TestSlow: who sends slowly is cut off, head and body each in its time. Of the
// limits one alone is short: the others are not to be what a busy machine meets.
// What is said of a head is to be there in its time.
func TestSlow(t *testing.T) {
	const short = 100 * time.Millisecond
	head := server.Limits{Header: 10 * short, Body: patience, Idle: patience}
	body := server.Limits{Header: patience, Body: short, Idle: patience}
	idle := server.Limits{Header: patience, Body: patience, Idle: short}
	for name, c := range map[string]struct {
		limits server.Limits
		text   string
		want   int
	}{
		"nothing at all":      {head, "", 0},
		"half a line":         {head, "GET /heal", 400},
		"TLS where none is":   {head, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500), 400},
		"half a head":         {head, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n", 0},
		"half a body":         {body, post + "Content-Length: 100\r\n\r\n{", 408},
		"no body":             {body, post + "Content-Length: 100\r\n\r\n", 408},
		"half a large body":   {body, post + "Content-Length: 1000000\r\n\r\n" + strings.Repeat(" ", 500_000), 408},
		"half a chunk":        {body, post + "Transfer-Encoding: chunked\r\n\r\nff\r\n{", 408},
		"half a push":         {body, "PUT /v1/device/signals HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 408},
		"an unclean path":     {body, "POST //v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", 307},
		"no path":             {body, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", 400},
		"nothing after the 1": {idle, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(network+" "+name, func(t *testing.T) {
				t.Parallel()
				w := world{local: says("local/small", "Hi."), device: &gauge{}, limits: c.limits}.open(t).dial(t, network)
				w.say(c.text)
				resp := w.hear()
				if resp == nil && c.want != 0 || resp != nil && resp.StatusCode != c.want {
					t.Errorf("got %+v, want status %d", resp, c.want)
				}
				w.ends(name)
			})
		}
	}
}

// TestLateBody: a body may take longer to come than a reply may stay unread, and
// whoever sends half of it is told all the same.
func TestLateBody(t *testing.T) {
	t.Parallel()
	const unread = 12 * time.Second // more than is waited for the rest of a body that was refused, and than a busy machine is late
	f := world{
		local: says("local/small", "Hi."), device: &gauge{},
		limits: server.Limits{Header: patience, Body: unread + unread/8, Unread: unread, Idle: patience},
	}.open(t)
	for _, line := range []string{"POST /v1/chat/completions", "PUT /v1/device/signals", "POST /v1/explain"} {
		for _, half := range []string{"Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\nff\r\n{"} {
			t.Run(line+" "+half[:7], func(t *testing.T) {
				t.Parallel()
				w := f.dial(t, "unix")
				w.say(line + " HTTP/1.1\r\nHost: localhost\r\n" + half)
				if resp := w.hear(); resp == nil || resp.StatusCode != http.StatusRequestTimeout {
					t.Errorf("got %+v, want status 408", resp)
				}
				w.ends(line)
			})
		}
	}
}

// TestDribble: a byte now and then does not keep a connection.
func TestDribble(t *testing.T) {
	f := world{local: says("local/small", "Hi."), limits: server.Limits{Header: 100 * time.Millisecond}}.open(t)
	w := f.dial(t, "tcp")
	w.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.ends("dribble")
	}()
	next := time.NewTicker(10 * time.Millisecond)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			w.say("x")
		case <-ended:
			return
		}
	}
}

// endless is a stream that has always more to say.
func endless() answerer {
	line := []byte(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"` +
		strings.Repeat("word ", 2000) + `"},"finish_reason":null}]}` + "\n\n")
	return begins(1, func(context.Context) io.Reader { return &forever{line, line} })
}

// forever repeats itself.
type forever struct{ all, left []byte }

func (f *forever) Read(p []byte) (int, error) {
	if len(f.left) == 0 {
		f.left = f.all
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// TestUnread: who asks and does not read loses the connection, and what was
// made for it ends.
func TestUnread(t *testing.T) {
	recorded := make(records, 1)
	f := world{
		local: says("local/small", strings.Repeat("word ", 1<<20)), cloud: endless(), recorder: recorded,
		limits: server.Limits{Unread: 200 * time.Millisecond},
	}.open(t)
	plain, stream := turn(`"model":"local"`), turn(`"model":"cloud","stream":true`)
	for _, c := range []struct{ network, body string }{{"unix", plain}, {"unix", stream}, {"tcp", stream}} {
		w := f.dial(t, c.network)
		w.say(whole(c.body))
		select {
		case r := <-recorded:
			if r.Outcome.Error == "" {
				t.Errorf("%s %s: the record calls it well ended: %+v", c.network, c.body, r.Outcome)
			}
		case <-time.After(patience):
			t.Fatalf("%s %s: the server still waits for its reader", c.network, c.body)
		}
		if n, err := io.Copy(io.Discard, w.in); timeout(err) || n > 32<<20 {
			t.Errorf("%s %s: the connection goes on: %d bytes, %v", c.network, c.body, n, err)
		}
	}
}

// TestUnreadPipeline: a client that asks and asks and never reads is cut off,
// where the replies are made at once, too.
func TestUnreadPipeline(t *testing.T) {
	f := world{local: says("local/small", "Hi."), limits: server.Limits{Unread: 200 * time.Millisecond}}.open(t)
	for name, request := range map[string]string{
		"control": "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"refused": "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n",
		"asks":    whole(hello),
	} {
		w := f.dial(t, "unix")
		many := strings.Repeat(request, 200)
		for err := error(nil); err == nil; {
			if _, err = io.WriteString(w.Conn, many); timeout(err) {
				t.Errorf("%s: the server still waits for its reader", name)
			}
		}
	}
}

// TestHalfClosed: who closes its half while the answer is made is told that this
// is taken for leaving; never an empty answer that looks good.
func TestHalfClosed(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := world{local: slowly(release, says("local/small", "Hi."))}.open(t)
	for _, network := range []string{"tcp", "unix"} {
		for _, body := range []string{hello, turn(`"stream":true`)} {
			w := f.dial(t, network)
			w.say(whole(body))
			if err := w.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if resp := w.hear(); resp != nil && resp.StatusCode != 400 {
				t.Errorf("%s: got %+v", network, resp)
			}
			w.ends(network)
		}
	}
}

// TestLargeBodies: all large bodies together have so much memory and no more;
// small ones do not wait for them.
func TestLargeBodies(t *testing.T) {
	release, inside := make(chan struct{}), make(chan struct{}, 1)
	var gate answerer = func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		inside <- struct{}{}
		return slowly(release, says("local/small", "Hi."))(ctx, call)
	}
	f := world{local: gate, limits: server.Limits{Bodies: 1 << 20}}.open(t)
	large := turn(`"user":"` + strings.Repeat("x", 700<<10) + `"`)
	first := make(chan reply)
	go func() { first <- f.chat(large) }()
	<-inside
	f.chat(large).refused(t, "a second large one", 429, "rate_limit_error", "queue_full", "", "large bodies")
	second := make(chan reply)
	go func() { second <- f.chat(hello) }()
	<-inside
	close(release)
	for name, got := range map[string]reply{"the first": <-first, "a small one": <-second} {
		if got.status != 200 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	go func() { first <- f.chat(large) }()
	<-inside
	if got := <-first; got.status != 200 {
		t.Errorf("once there is room again: %d %s", got.status, got.body)
	}
}

// TestTooLargeAlone: where there is little memory for large bodies, one that can
// never have room is told so, and not to come again.
func TestTooLargeAlone(t *testing.T) {
	f := world{local: says("local/small", "Hi."), limits: server.Limits{Bodies: 1<<20 - 1}}.open(t)
	inChunks := func(body string) reply {
		w := f.dial(t, "unix")
		go w.say(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
		resp, err := http.ReadResponse(w.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.heard(resp)
	}
	whole := func(body string) reply { return f.blurt("unix", "/v1/chat/completions", body) }
	for name, post := range map[string]func(string) reply{"whole": whole, "in chunks": inChunks} {
		fill := strings.Repeat("x", 1<<20-1-len(turn(`"user":""`)))
		if got := post(turn(`"user":"` + fill + `"`)); got.status != 200 {
			t.Errorf("%s, as large as may be: %d %s", name, got.status, got.body)
		}
		got := post(turn(`"user":"` + fill + `x"`))
		got.refused(t, name+", one more", 413, "request_too_large", "", "", "larger than 1048575 bytes")
		if got.header.Get("x-should-retry") != "false" {
			t.Errorf("%s: %v, want no word of trying again", name, got.header)
		}
	}
}

// TestOddJSON: depth, number and names of what is in a body are bounded.
func TestOddJSON(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	const deep = 100_000
	var names strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&names, `"k%d":1,`, i)
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"deep lists":            {strings.Repeat("[", deep), 400},
		"deep lists, closed":    {turn(`"user":` + strings.Repeat("[", deep) + strings.Repeat("]", deep)), 400},
		"deep objects":          {turn(`"user":` + strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)), 400},
		"deep content":          {message(`{"role":"user","content":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`), 400},
		"deep tools":            {turn(`"tools":` + strings.Repeat(`[`, deep) + strings.Repeat("]", deep)), 400},
		"a million messages":    {`{"messages":[` + strings.Repeat("{},", 1_000_000) + `{}]}`, 413},
		"150,001 good messages": {`{"messages":[` + strings.Repeat(`{"role":"user","content":"x"},`, 150_000) + `{"role":"user","content":"x"}]}`, 413},
		"many names":            {turn(names.String() + `"user":"x"`), 200},
		"one name many times":   {turn(strings.Repeat(`"user":"x",`, 50_000) + `"user":"x"`), 200},
		"long number":           {turn(`"seed":` + strings.Repeat("9", 1<<20)), 400},
		"escapes":               {turn(`"user":"` + strings.Repeat(`\u0000`, 1<<17) + `"`), 200},
		"half escapes":          {message(`{"role":"user","content":"\ud800"}`), 200},
	} {
		if got := f.chat(c.body); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
}

// TestSameNameTwice: of two fields with one name the last counts, for the
// decision and for the target alike.
func TestSameNameTwice(t *testing.T) {
	seen := make(chan *openai.Request, 1)
	var cloud answerer = func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		seen <- call.Request
		return says("cloud/first", "Hi.")(ctx, call)
	}
	f := world{cloud: cloud}.open(t)
	if got := f.chat(turn(`"model":"cloud","model":"private"`)); got.status != 422 {
		t.Errorf("private last: %d %s", got.status, got.body)
	}
	if got := f.chat(turn(`"model":"private","model":"cloud","user":"a","user":"b"`)); got.status != 200 {
		t.Fatalf("cloud last: %d %s", got.status, got.body)
	}
	if r := <-seen; string(r.Field("model")) != `"cloud"` || string(r.Field("user")) != `"b"` {
		t.Errorf("the target is sent %s and %s", r.Field("model"), r.Field("user"))
	}
}
