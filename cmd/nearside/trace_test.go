package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// traced is the trace and the place in it that a header names.
func traced(t *testing.T, header http.Header) (trace, span string) {
	t.Helper()
	parts := strings.Split(header.Get("traceparent"), "-")
	if len(parts) != 4 {
		t.Fatalf("got traceparent %q", header.Values("traceparent"))
	}
	return parts[1], parts[2]
}

// TestTrace follows a request from its caller through the daemon to two
// targets, the first of which fails.
func TestTrace(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	set(t, first, fake.Fault{Kind: fake.Status, Status: 503})
	h := newHouse(t, noLocal, clouds(first, second))
	r := h.ask(inCloud("What is the largest planet?").headed("traceparent", "00-"+traceID+"-"+spanID+"-01"))
	spans := map[string]bool{spanID: true}
	for name, header := range map[string]http.Header{"the reply": r.header, "the first": first.State().Last.Header, "the second": second.State().Last.Header} {
		trace, span := traced(t, header)
		if trace != traceID || spans[span] || !strings.HasSuffix(header.Get("traceparent"), "-01") {
			t.Errorf("%s has %q, want the caller's trace and a span of its own", name, header.Get("traceparent"))
		}
		spans[span] = true
	}
	if got := h.decision(t, r); got.TraceID != traceID {
		t.Errorf("the record has trace %q, want %q", got.TraceID, traceID)
	}
	for _, bad := range []string{"", "00-" + traceID + "-0000000000000000-01", "00-" + traceID + "-" + spanID + "-01-more"} {
		r := h.ask(inCloud("What is the smallest planet?").headed("traceparent", bad).with("stream", true))
		begun, _ := traced(t, r.header)
		passed, _ := traced(t, second.State().Last.Header)
		if begun == traceID || passed != begun || h.decision(t, r).TraceID != begun {
			t.Errorf("after %q the reply has trace %s, the target %s, want another, the same", bad, begun, passed)
		}
	}
}

type traceRecord struct {
	TraceID string `json:"trace_id"`
}

// decision is the record of the reply's decision, once it is kept.
func (h *house) decision(t *testing.T, r *reply) (rec traceRecord) {
	t.Helper()
	until(t, "the decision is kept", patience, func() bool {
		return json.Unmarshal(h.get("/v1/decisions/"+r.header.Get("x-nearside-decision")), &rec) == nil && rec.TraceID != ""
	})
	return rec
}

// TestServerTiming looks at where every route says that its time went.
func TestServerTiming(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, clouds(cloud))
	kept := inCloud("What is the largest planet?").with("temperature", 0)
	timing := func(route, parts string, a ask) {
		t.Helper()
		r := h.soon(a)
		want := `^` + strings.ReplaceAll(parts, " ", `;dur=\d+\.\d{3}, `) + `;dur=\d+\.\d{3}$`
		if got := r.header.Get("Server-Timing"); r.route() != route || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("route %s has %q, want %s of route %s", r.route(), got, parts, route)
		}
	}
	timing("local", "policy local total", near("What is the capital of France?"))
	timing("local", "policy local total", near("What is the capital of Spain?").with("stream", true))
	timing("cloud", "policy cloud total", kept)
	timing("cloud", "policy cloud total", inCloud("Name three rivers.").with("stream", true))
	timing("none", "policy total", inCloud("What is the moon?").headed("x-nearside-privacy", "private"))
	timing("none", "policy total", ask{text: "hello"}.with("model", "cloud/nobody"))
	until(t, "the answer is kept", patience, func() bool { return h.ask(kept).route() == "cache" })
	timing("cache", "policy total", kept)
	set(t, cloud, fake.Fault{Kind: fake.Status, Status: 503})
	timing("stale", "policy cloud total", kept.headed("Cache-Control", "no-cache"))
	timing("none", "policy cloud total", inCloud("What is the sun?"))
}
