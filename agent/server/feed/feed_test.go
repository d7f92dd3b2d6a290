package feed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/agent/server/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func all(feed.Entry) bool { return true }

// serve is the feed behind a real socket.
func serve(t *testing.T, f *feed.Feed) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f.Serve(w, r, all); err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(func() { f.Close(); s.Client().CloseIdleConnections(); s.Close() })
	return s
}

// reader reads the lines of one listener.
type reader struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
}

func listen(t *testing.T, s *httptest.Server, lastID string) *reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &reader{t, resp, bufio.NewScanner(resp.Body)}
}

// next is the next event as "kind data", "" at the end; comments are passed over.
func (r *reader) next() string {
	r.t.Helper()
	kind := ""
	for r.in.Scan() {
		name, v, _ := strings.Cut(r.in.Text(), ": ")
		switch name {
		case "event":
			kind = v
		case "data":
			return kind + " " + v
		}
	}
	return ""
}

// hears wants these events next.
func (r *reader) hears(want ...string) {
	r.t.Helper()
	for _, w := range want {
		if got := r.next(); got != w {
			r.t.Errorf("got event %q, want %q", got, w)
		}
	}
}

func publish(f *feed.Feed, data ...string) {
	for _, d := range data {
		f.Publish("news", []byte(d))
	}
}

func id(f *feed.Feed, i int) string { return fmt.Sprint(f.Latest()[i].ID) }

func TestLive(t *testing.T) {
	f := feed.New(feed.Options{})
	publish(f, "0")
	r := listen(t, serve(t, f), "")
	publish(f, "1", "2")
	r.hears("news 1", "news 2")
	f.Close()
	if got := r.next(); got != "" {
		t.Errorf("after the end came %q", got)
	}
}

func TestResume(t *testing.T) {
	f := feed.New(feed.Options{Entries: 3})
	publish(f, "1", "2", "3")
	s := serve(t, f)
	first, last := id(f, 0), id(f, 2)
	listen(t, s, first).hears("news 2", "news 3")
	r := listen(t, s, last)
	publish(f, "4", "5", "6")
	r.hears("news 4", "news 5", "news 6")
	listen(t, s, first).hears(`missed {"after":`+first+"}", "news 4", "news 5", "news 6")
	listen(t, s, last).hears("news 4", "news 5", "news 6")
	listen(t, s, "0").hears(`missed {"after":0}`, "news 4")
	listen(t, s, "no id of ours").hears(`missed {"after":0}`, "news 4")
	ahead := "99999999999999"
	listen(t, s, ahead).hears(`missed {"after":`+ahead+"}", "news 4")
}

func TestBoundedBytes(t *testing.T) {
	f := feed.New(feed.Options{Bytes: 100})
	for range 50 {
		f.Publish("news", []byte(strings.Repeat("x", 40)))
	}
	if n := len(f.Latest()); n != 2 {
		t.Errorf("kept %d entries of 40 bytes within 100, want 2", n)
	}
	f.Publish("news", []byte(strings.Repeat("x", 1000)))
	if n := len(f.Latest()); n != 0 {
		t.Errorf("kept %d entries after one that has no room, want none", n)
	}
}

func TestTooMany(t *testing.T) {
	f := feed.New(feed.Options{Listeners: 2})
	s := serve(t, f)
	listen(t, s, "")
	r := listen(t, s, "")
	if got := listen(t, s, "").resp.StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("the third listener got %d", got)
	}
	if got := f.Stats(); got.Listeners != 2 || got.Full != 1 {
		t.Errorf("got %+v, want 2 listeners and 1 turned away", got)
	}
	publish(f, "1")
	r.hears("news 1")
}

// TestSlow publishes to one that reads and one that does not.
func TestSlow(t *testing.T) {
	f := feed.New(feed.Options{Behind: 4, Bytes: 1})
	s := serve(t, f)
	listen(t, s, "")
	quick := listen(t, s, "")
	quick.in.Buffer(nil, 1<<20)
	big := strings.Repeat("x", 256<<10)
	for i := 0; f.Stats().Slow == 0; i++ {
		if i == 1000 {
			t.Fatal("nobody is slow after 256 MiB")
		}
		publish(f, big)
		quick.hears("news " + big)
	}
	publish(f, "end")
	quick.hears("news end")
	if got := f.Stats(); got.Slow != 1 || got.Listeners != 1 {
		t.Errorf("got %+v, want 1 slow listener let go and 1 left", got)
	}
}

func TestHeartbeat(t *testing.T) {
	r := listen(t, serve(t, feed.New(feed.Options{Heartbeat: time.Millisecond})), "")
	for n := 0; n < 3 && r.in.Scan(); {
		if strings.HasPrefix(r.in.Text(), ":") {
			n++
		}
	}
	if r.in.Err() != nil {
		t.Error(r.in.Err())
	}
}

func TestClosed(t *testing.T) {
	f := feed.New(feed.Options{})
	f.Close()
	w := httptest.NewRecorder()
	if err := f.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), all); !errors.Is(err, feed.ErrClosed) || w.Body.Len() > 0 {
		t.Errorf("got %v and %q, want that it has ended", err, w.Body)
	}
}

func TestHandler(t *testing.T) {
	f := feed.New(feed.Options{})
	var level slog.LevelVar
	log := slog.New(f.Handler(&level)).With("part", "engine")
	log.Debug("not yet")
	log.Info("ready", "pid", 7)
	log.Info(strings.Repeat("long", 10000))
	level.Set(slog.LevelDebug)
	log.Debug("now")
	var got []string
	for _, e := range f.Latest() {
		var r struct{ Level, Msg, Part string }
		if err := json.Unmarshal(e.Data, &r); err != nil {
			t.Fatalf("%v in %q", err, e.Data)
		}
		got = append(got, r.Level+" "+r.Msg+" "+r.Part)
	}
	if want := []string{"INFO ready engine", "DEBUG now engine"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLastEventID has callers that left already come with any id.
func FuzzLastEventID(f *testing.F) {
	for _, v := range []string{"0", "18446744073709551615", "-1", "1e3", "x\ny"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		fd := feed.New(feed.Options{})
		publish(fd, "1")
		gone, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil)
		r.Header.Set("Last-Event-ID", v)
		w := httptest.NewRecorder()
		if err := fd.Serve(w, r, all); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(w.Body.String()) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); !slices.Contains([]string{"", "id", "event", "data"}, name) {
				t.Errorf("%q makes the line %q", v, line)
			}
		}
	})
}
