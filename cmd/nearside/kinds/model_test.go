package kinds_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/cloud/steer"
	"nearside/cmd/nearside/kinds"
	"nearside/policy"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first sequence of TestModel")
	manySeeds = flag.Uint64("seeds", 10, "how many sequences TestModel tries")
)

// stock is what documents of the model are made of. It does not change.
type stock struct {
	key   *seal.Private
	root  []byte
	goods map[string][][]byte // contents of files, by kind; the last one of each is of no use
}

func newStock(t *testing.T, gates ...[]byte) *stock {
	t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := seal.Root{Version: 1, Threshold: 1, Tenant: "acme", Keys: []seal.Key{key.Key()}}
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := &stock{key: key, goods: map[string][][]byte{}}
	if s.root, err = seal.Sign(seal.RootType, text); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.goods[seal.KindCalibration] = append(s.goods[seal.KindCalibration], table(t, fmt.Sprint(i)))
	}
	s.goods[seal.KindGate] = gates
	for kind, all := range s.goods {
		s.goods[kind] = append(all, []byte("of no use as "+kind))
	}
	return s
}

// table is a calibration of some model.
func table(t *testing.T, digit string) []byte {
	t.Helper()
	text, err := os.ReadFile("../tables/smollm2-135m.json")
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]json.RawMessage
	var b map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &f), json.Unmarshal(f["table"], &b)); err != nil {
		t.Fatal(err)
	}
	one := fmt.Sprintf(`{"model":{"name":"m","sha256":%q,"quant":"Q4"},"pooled":%s,"tasks":{}}`, strings.Repeat(digit, 64), b["pooled"])
	var plain bytes.Buffer
	if err := json.Compact(&plain, []byte(one)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(plain.Bytes())
	return fmt.Appendf(nil, `{"format":"nearside-calibration","version":1,"sha256":"%x","table":%s}`, sum, plain.Bytes())
}

// paper is a document of the model.
type paper struct {
	kind     string
	version  int64
	envelope []byte
	files    []seal.File
	junk     bool // of no use when its files are here
}

// town is a device, and all that it meets.
type town struct {
	*stock
	t       *testing.T
	random  *mathrand.Rand
	dir     string
	keeper  steer.Memory
	room    *kinds.Room
	steer   *steer.Steer
	stopped func() // ends both
	unsteer func()

	papers  []*paper
	alive   map[string][]*paper // offered, and not dropped since, by kind
	highest map[string]int64
	events  int

	mu               sync.Mutex // guards what follows
	luck             *mathrand.Rand
	files            map[string][]byte
	bad              map[string]string // how a path fails
	offline, metered bool
	full             bool
	looks, fetches   int // fetches that brought something
}

func newTown(t *testing.T, s *stock, seed uint64) *town {
	return &town{
		stock: s, t: t, random: mathrand.New(mathrand.NewPCG(seed, 1)), luck: mathrand.New(mathrand.NewPCG(seed, 2)), dir: t.TempDir(),
		alive: map[string][]*paper{}, highest: map[string]int64{}, files: map[string][]byte{}, bad: map[string]string{},
	}
}

func (w *town) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// RoundTrip serves a file as things are.
func (w *town) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, how := w.files[r.URL.Path], w.bad[r.URL.Path]
	reply := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(data))}
	switch how {
	case "lost":
		return nil, errors.New("no route")
	case "gone":
		reply.StatusCode, data = http.StatusNotFound, nil
	case "busy":
		reply.StatusCode, data = http.StatusServiceUnavailable, nil
		reply.Header.Set("Retry-After", "1800")
	case "altered":
		data = bytes.Repeat([]byte("x"), len(data))
	case "cut":
		data = data[:len(data)/2]
	default:
		w.fetches++
	}
	reply.Body = io.NopCloser(&slow{bytes.NewReader(data), r.Context(), time.Duration(w.luck.IntN(50)) * time.Second, len(data)/3 + 1})
	return reply, nil
}

// slow brings a third at a time.
type slow struct {
	io.Reader
	ctx   context.Context
	late  time.Duration
	third int
}

func (s *slow) Read(b []byte) (int, error) {
	select {
	case <-time.After(s.late):
		return s.Reader.Read(b[:min(len(b), s.third)])
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

// counted is a hook whose looks are counted.
type counted struct {
	*kinds.Hook
	w *town
}

func (c counted) Validate(ctx context.Context, p *seal.Payload) error {
	c.w.locked(func() { c.w.looks++ })
	return c.Hook.Validate(ctx, p)
}

// calm is a subject whose policy nobody changes.
type calm struct{}

func (calm) Validate(context.Context, *seal.Payload) error { return nil }
func (calm) Swap(context.Context, *seal.Payload) error     { return nil }
func (calm) Figures() trial.Figures                        { return trial.Figures{} }

// start starts the daemon.
func (w *town) start() {
	cfg := device()
	w.room = kinds.NewRoom(kinds.Options{
		Dir: w.dir, Via: func() (http.RoundTripper, error) { return w, nil },
		Online:  func() (is bool) { w.locked(func() { is = !w.offline }); return is },
		Metered: func() (is bool) { w.locked(func() { is = w.metered }); return is },
		Free: func() (n int64, err error) {
			w.locked(func() { n = map[bool]int64{true: 1 << 20, false: 1 << 40}[w.full] })
			return n, nil
		},
		Given: func() (*config.Config, *policy.Document) { return cfg, nil },
		Renew: func() { w.room.Over(cfg, nil) }, Log: slog.New(slog.DiscardHandler),
		Offer: func(ctx context.Context, e []byte, from string) error {
			_, err := w.steer.Offer(ctx, e, from)
			return err
		},
	})
	w.steers()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.room.Run(ctx) }()
	w.stopped = func() {
		cancel()
		w.unsteer()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// steers has the device steered.
func (w *town) steers() {
	hooks := map[string]steer.Kind{}
	for _, kind := range kinds.Names() {
		hooks[kind] = counted{w.room.Hook(kind), w}
	}
	s, err := steer.New(steer.Options{
		Device: seal.Device{Tenant: "acme", Channel: "stable", ID: "car-7"}, Root: w.root, Keeper: &w.keeper, Subject: calm{}, Kinds: hooks,
		Clock: func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Synced: true} },
		Waits: func(e []byte, from string) { w.room.Waits(kinds.Offer{Envelope: e, From: from}) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.steer = s
	s.Begin(w.t.Context())
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.unsteer = func() { cancel(); <-ended }
}

// write signs a new document of a kind, whose files may be elsewhere than those of
// others with the same content.
func (w *town) write(kind string, version int64) *paper {
	p := &paper{kind: kind, version: version}
	goods, n := w.goods[kind], 1
	if kind == seal.KindCalibration {
		n += w.random.IntN(3)
	}
	for _, i := range w.random.Perm(len(goods))[:n] {
		path := fmt.Sprintf("/%s-%d-%d", kind, i, w.random.IntN(2))
		sum := sha256.Sum256(goods[i])
		p.junk = p.junk || i == len(goods)-1
		w.locked(func() { w.files[path] = goods[i] })
		p.files = append(p.files, seal.File{Name: path[1:], URL: "https://files.example" + path, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(goods[i]))})
	}
	body := map[bool]string{true: "metered: allow", false: ""}[w.random.IntN(2) == 0]
	if kind == seal.KindGate {
		body += fmt.Sprintf("\nname: v%d", version)
	}
	payload, err := (&seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: time.Now(), Kind: kind, Body: body, Files: p.files}).Encode()
	if err == nil {
		p.envelope, err = seal.Sign(seal.PolicyType, payload, w.key)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.papers = append(w.papers, p)
	return p
}

// offer brings a document, and remembers it if it may ever be in force.
func (w *town) offer(p *paper) {
	_, err := w.steer.Offer(w.t.Context(), p.envelope, "hand")
	if why := seal.Reason(err); err == nil || why == trial.WaitsForFiles {
		if !slices.Contains(w.alive[p.kind], p) {
			w.alive[p.kind] = append(w.alive[p.kind], p)
		}
	} else if why == "" {
		w.t.Errorf("offered version %d of %s: %v", p.version, p.kind, err)
	}
}

// inForce is the version of a kind that the record says is in force, 0 for none.
func (w *town) inForce(kind string) int64 {
	for _, k := range w.steer.Status().Kinds {
		if k.Kind == kind {
			return k.Version
		}
	}
	return 0
}

// forget has only documents in force be remembered.
func (w *town) forget() {
	for kind, all := range w.alive {
		now := w.inForce(kind)
		w.alive[kind] = slices.DeleteFunc(all, func(p *paper) bool { return p.version != now })
	}
}

// spoils removes or alters a file on the disk.
func (w *town) spoils() {
	list, err := os.ReadDir(w.dir)
	if err != nil || len(list) == 0 {
		return
	}
	path := filepath.Join(w.dir, list[w.random.IntN(len(list))].Name())
	if data, err := os.ReadFile(path); err == nil && len(data) > 0 && w.random.IntN(2) == 0 {
		data[0]++
		_ = os.WriteFile(path, data, 0o600)
		return
	}
	_ = os.Remove(path)
}
