package feed

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"time"
)

// writeTimeout is how long a listener may leave what is sent to it unread.
const writeTimeout = 30 * time.Second

// Serve tells the entries that are wanted as server-sent events until the
// caller leaves, does not keep up, or the feed ends. Without a Last-Event-ID
// it begins with the next one; with one, with what came after it, and where
// some of that is not kept any more, with an event named missed. An error,
// [ErrFull] or [ErrClosed], comes before anything was written.
func (f *Feed) Serve(w http.ResponseWriter, r *http.Request, want func(Entry) bool) error {
	after, known := lastID(r)
	if !known {
		after = f.newest()
	}
	l, old, missed, err := f.listen(after, want)
	if err != nil {
		return err
	}
	defer f.leave(l)
	out := &writer{w: w, ctl: http.NewResponseController(w)}
	out.begin()
	if known && missed {
		out.event(Entry{Kind: "missed", Data: []byte(`{"after":` + strconv.FormatUint(after, 10) + `}`)})
	}
	for _, e := range old {
		if want(e) {
			out.event(e)
		}
	}
	out.flush()
	f.follow(r, l, out)
	return nil
}

// follow passes on what comes until there is a reason to end.
func (f *Feed) follow(r *http.Request, l *listener, out *writer) {
	beat := time.NewTicker(f.opts.Heartbeat)
	defer beat.Stop()
	for out.err == nil {
		select {
		case e, on := <-l.news:
			if !on {
				return
			}
			out.event(e)
		case <-beat.C:
			out.text(": still here\n\n")
		case <-r.Context().Done():
			return
		}
		out.flush()
	}
}

func (f *Feed) newest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// lastID reads the Last-Event-ID header. One that is no id of ours is known to
// be older than everything.
func lastID(r *http.Request) (id uint64, known bool) {
	v := r.Header.Get("Last-Event-ID")
	if v == "" {
		return 0, false
	}
	id, err := strconv.ParseUint(v, 10, 64)
	if err != nil || id == math.MaxUint64 {
		return 0, true
	}
	return id, true
}

// writer writes events; its first error ends them.
type writer struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
	err error
}

func (o *writer) begin() {
	_ = o.ctl.SetReadDeadline(time.Time{}) // from here on a read only waits for the caller to leave
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("x-accel-buffering", "no")
	o.w.WriteHeader(http.StatusOK)
}

func (o *writer) event(e Entry) {
	var b bytes.Buffer
	if e.ID != 0 {
		b.WriteString("id: " + strconv.FormatUint(e.ID, 10) + "\n")
	}
	b.WriteString("event: " + e.Kind + "\ndata: ")
	b.Write(e.Data)
	b.WriteString("\n\n")
	o.text(b.String())
}

func (o *writer) text(s string) {
	if o.err != nil {
		return
	}
	_ = o.ctl.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, o.err = o.w.Write([]byte(s))
}

func (o *writer) flush() {
	if o.err == nil {
		o.err = o.ctl.Flush()
	}
}
