package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"nearside/cmd/fakecloud/fake"
	"nearside/policy/seal"
)

// web is a server of files that can be changed.
type web struct {
	*httptest.Server
	mu    sync.Mutex // guards what follows
	files map[string][]byte
	asked map[string]int
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{files: map[string][]byte{}, asked: map[string]int{}}
	w.Server = httptest.NewTLSServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *web) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, there := w.files[r.URL.Path]
	if !there {
		http.NotFound(to, r)
		return
	}
	w.asked[r.URL.Path]++
	to.Header().Set("ETag", fmt.Sprintf("%q", hex.EncodeToString(digestOf(b))))
	if r.Header.Get("If-None-Match") == to.Header().Get("ETag") {
		to.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = to.Write(b)
}

func digestOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func (w *web) put(path string, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[path] = b
}

func (w *web) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

// names has a document name a file of the server.
func (w *web) names(kind, name string, b []byte) func(*seal.Payload) {
	return func(p *seal.Payload) {
		p.Kind = kind
		p.Files = []seal.File{{Name: name, URL: w.URL + "/" + name, SHA256: hex.EncodeToString(digestOf(b)), Bytes: int64(len(b))}}
	}
}

// TestPulled: a daemon without a broker takes a policy and other documents from
// one address, fetches the files they name, and holds them after a kill; what
// was altered on the way is not taken.
func TestPulled(t *testing.T) {
	t.Parallel()
	o, w := newOffice(t), newWeb(t)
	table, err := os.ReadFile("tables/smollm2-135m.json")
	must(t, "read a calibration", err)
	index := func(list ...string) { w.put("/stable.json", []byte(`{"envelopes":[`+strings.Join(list, ",")+`]}`)) }
	policy, tabled := o.seal(7, ordinary()), o.seal(3, "", w.names(seal.KindCalibration, "table.json", table))
	index(policy, tabled)

	h := unstarted(t, clouds(newCloud(t, fake.Options{})),
		`local: {engine: {url: "http://127.0.0.1:1/v1"}, models: [{name: small, sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53, services: [chat]}]}`,
		fmt.Sprintf("remote: {root: root.json, tenant: acme, channel: stable, device: car-7, pull: {url: %q, every: 10s, ca: ca.pem, proxy: none}}", w.URL+"/stable.json"))
	h.write("root.json", o.root())
	h.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw})))
	h.start()
	until(t, "the policy is in force", patience, func() bool { return h.standing().Version == 7 })
	until(t, "the table waits for its file", patience, func() bool {
		s := h.standing()
		return s.LastRefusal != nil && s.LastRefusal.Reason == "waits_for_files"
	})
	prior := func() string {
		for _, k := range h.status().Calibration.Targets {
			if k.Prior != nil {
				return *k.Prior
			}
		}
		return ""
	}
	if got := prior(); got != "shipped" {
		t.Errorf("before its file is here: got a calibration from %q", got)
	}
	w.put("/table.json", table)
	until(t, "the table is in force", 2*patience, func() bool { return prior() == "a signed document" })
	if n := w.count("/table.json"); n != 1 {
		t.Errorf("the file was fetched %d times", n)
	}

	index(strings.Replace(o.seal(8, ordinary()), `"payload":"ey`, `"payload":"fy`, 1))
	until(t, "what was altered is refused", 2*patience, func() bool {
		s := h.standing()
		return s.LastRefusal != nil && s.LastRefusal.Reason == seal.BadSignature
	})
	h.kill()
	h.start()
	s := h.standing()
	if kinds, _ := json.Marshal(s.Kinds); s.Version != 7 || len(s.Kinds) != 1 || s.Kinds[0].Version != 3 {
		t.Errorf("after a kill: got policy %d and %s", s.Version, kinds)
	}
	until(t, "the table is in force again", patience, func() bool { return prior() == "a signed document" })
}
