package helm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/agent/config/remote"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/cmd/nearside/judge"
	"nearside/cmd/nearside/kinds"
	"nearside/policy"
	"nearside/policy/seal"
)

// still is a device that does nothing.
type still struct{}

func (still) Basis() judge.Basis  { return judge.Basis{} }
func (still) Renew(change func()) { change() }
func (still) Look() status.Status { return status.Status{Remote: &steering.Link{}} }
func (still) Told(string, any)    {}
func (still) Frugal() bool        { return false }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// tabled is a signed calibration whose table is a file of the server, and the
// root of who signed it.
func tabled(t *testing.T, server string, table []byte) (envelope, root []byte) {
	t.Helper()
	key := must[*seal.Private](t)(seal.Generate(rand.Reader))
	r := seal.Root{Version: 1, Threshold: 1, Tenant: "acme", Keys: []seal.Key{key.Key()}}
	sum := sha256.Sum256(table)
	p := seal.Payload{
		Tenant: "acme", Channel: "stable", Version: 1, Issued: time.Now(), Kind: seal.KindCalibration,
		Files: []seal.File{{Name: "table.json", URL: server + "/table.json", SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(table))}},
	}
	return must[[]byte](t)(seal.Sign(seal.PolicyType, must[[]byte](t)(p.Encode()), key)),
		must[[]byte](t)(seal.Sign(seal.RootType, must[[]byte](t)(r.Encode())))
}

// TestByHandGivenUp: a document whose look outlasts who brought it by hand is in
// force when the file that it names has come.
func TestByHandGivenUp(t *testing.T) {
	table := must[[]byte](t)(os.ReadFile("../tables/smollm2-135m.json"))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(table) }))
	defer server.Close()
	envelope, root := tabled(t, server.URL, table)
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Remote = &remote.Remote{Root: filepath.Join(dir, "root"), Tenant: "acme", Channel: "stable", Device: "car-7"}
	if err := os.WriteFile(cfg.Remote.Root, root, 0o600); err != nil {
		t.Fatal(err)
	}
	laid := make(chan struct{}, 8)
	log := slog.New(slog.DiscardHandler)
	h := New(Options{Device: still{}, Built: time.Now(), Now: time.Now, Log: log})
	h.room = kinds.NewRoom(kinds.Options{
		Dir: filepath.Join(dir, "parcels"), Via: func() (http.RoundTripper, error) { return server.Client().Transport, nil },
		Online: func() bool { return true }, Metered: func() bool { return false }, Log: log, Offer: h.offerAgain,
		Given: func() (*config.Config, *policy.Document) { return cfg, nil }, Renew: func() { laid <- struct{}{} },
	})
	ctx, stop := context.WithCancel(t.Context())
	h.Begin(ctx, cfg)
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	gone, leave := context.WithCancel(ctx)
	leave()
	if a, err := h.Apply(gone, envelope); err == nil {
		t.Errorf("got %+v for who is gone", a)
	}
	select {
	case <-laid:
	case <-time.After(time.Minute):
		t.Error("its file came, and it is not in force")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLateDocument: of a document in force whose files were lost nobody is told to
// sign another one.
func TestLateDocument(t *testing.T) {
	envelope, root := tabled(t, "https://files.example", []byte("{}"))
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Remote = &remote.Remote{Root: filepath.Join(dir, "root"), Tenant: "acme", Channel: "stable", Device: "car-7"}
	if err := os.WriteFile(cfg.Remote.Root, root, 0o600); err != nil {
		t.Fatal(err)
	}
	h := New(Options{Device: still{}, Built: time.Now(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	h.room = kinds.NewRoom(kinds.Options{Dir: filepath.Join(dir, "parcels"), Renew: func() {}})
	h.Begin(t.Context(), cfg)
	p := must[*seal.Payload](t)(seal.ParsePayload(must[*seal.Envelope](t)(seal.Peek(envelope)).Payload))
	if err := h.room.Hook(p.Kind).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	told := false
	for _, c := range h.Conditions(false) {
		told = told || c.Name == "remote_document" && c.Severity == "warn" && strings.Contains(c.Hint, "by itself")
	}
	if !told {
		t.Errorf("got %+v", h.Conditions(false))
	}
}
