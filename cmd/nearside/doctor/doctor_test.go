package doctor_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/agent/config/secret"
	"nearside/agent/server/status"
	"nearside/build/port"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/doctor"
	"nearside/local/sandbox"
)

// TestMain lets the test binary close in the engines of its own.
func TestMain(m *testing.M) {
	sandbox.Enter()
	os.Exit(m.Run())
}

var today = time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)

// ward is a set-up in which all is well, in a folder of its own.
type ward struct {
	*doctor.Patient
	t   *testing.T
	dir string
}

func newWard(t *testing.T) *ward {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := config.Default()
	c.Listen.Socket, c.Listen.HTTP = filepath.Join(dir, "run", "s"), ""
	c.State, c.Local = filepath.Join(dir, "state"), config.Local{Disabled: true}
	w := &ward{t: t, dir: dir, Patient: &doctor.Patient{
		File: "test.yaml", Config: c, Release: "1", Built: today.AddDate(0, -1, 0), Now: today, Silence: doctor.ErrAbsent,
	}}
	w.mkdir("state", 0o700)
	w.mkdir("run", 0o750)
	return w
}

func (w *ward) mkdir(name string, mode os.FileMode) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(path, mode), os.Chmod(path, mode)); err != nil {
		w.t.Fatal(err)
	}
}

// write makes a file and returns its path.
func (w *ward) write(name, text string, mode os.FileMode) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// cloud is a config's target at the address.
func (w *ward) cloud(base string, key secret.Key) {
	w.Config.Cloud.Targets = []config.Target{{Name: "first", Kind: "openai", BaseURL: base, Key: key, Models: map[string]string{"chat": "m"}}}
}

// api is a cloud that answers so.
func (w *ward) api(answer http.HandlerFunc) string {
	s := httptest.NewServer(answer)
	w.t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func (w *ward) examine() []doctor.Finding {
	w.t.Helper()
	var all []doctor.Finding
	began := map[string]bool{}
	doctor.Examine(w.t.Context(), w.Patient, func(name string) { began[name] = true }, func(f doctor.Finding) { all = append(all, f) })
	for _, f := range all {
		check, _, _ := strings.Cut(f.Check, ".")
		if f.Message == "" || f.Verdict != doctor.OK && f.Hint == "" || !began[check] {
			w.t.Errorf("got %+v, want a message, a hint where it is not well, and a check that was told of", f)
		}
	}
	return all
}

// finds checks that there is just one finding that is not well, and what it
// says; beside it the daemon may be away.
func (w *ward) finds(check, verdict string, says ...string) {
	w.t.Helper()
	var ill []doctor.Finding
	for _, f := range w.examine() {
		if f.Verdict != doctor.OK && !(f.Check == "daemon" && errors.Is(w.Silence, doctor.ErrAbsent)) {
			ill = append(ill, f)
		}
	}
	if len(ill) != 1 || ill[0].Check != check || ill[0].Verdict != verdict {
		w.t.Fatalf("got %+v, want one %s of %s", ill, verdict, check)
	}
	for _, s := range says {
		if !strings.Contains(ill[0].Message+" / "+ill[0].Hint, s) {
			w.t.Errorf("%+v does not say %q", ill[0], s)
		}
	}
}

func models(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", today.Format(http.TimeFormat))
	_, _ = w.Write([]byte(`{"data":[{"id":"m"}]}`))
}

func TestWell(t *testing.T) {
	w := newWard(t)
	key := w.write("key", "sesame", 0o600)
	w.cloud(w.api(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" || r.URL.Path != "/v1/models" {
			t.Errorf("got a call for %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		models(rw, r)
	}), secret.Key{File: key})
	all := w.examine()
	for _, f := range all {
		if f.Verdict != doctor.OK && f.Check != "daemon" || strings.Contains(f.Message+f.Hint, "sesame") {
			t.Errorf("got %+v of a set-up that is well", f)
		}
	}
	if got := doctor.Failed(all); got != 0 || len(all) < 10 {
		t.Errorf("%d of %d failed", got, len(all))
	}
}

// TestPlaces breaks what is on the disk and on the device's own sockets.
func TestPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		ruin           func(*ward)
		check, verdict string
		says           []string
	}{
		"socket folder open to others": {func(w *ward) { w.mkdir("run", 0o777) }, "socket", doctor.Fail, []string{"everybody may write", "chmod o-w"}},
		"socket is a file":             {func(w *ward) { w.write("run/s", "", 0o600) }, "socket", doctor.Fail, []string{"is not a socket", "remove it"}},
		"socket in a file":             {func(w *ward) { w.Config.Listen.Socket = w.write("f", "", 0o600) + "/s" }, "socket", doctor.Fail, []string{"not a folder"}},
		"state is a file":              {func(w *ward) { w.Config.State = w.write("f", "", 0o600) }, "state", doctor.Fail, []string{"is not a folder", "set state"}},
		"state open to others":         {func(w *ward) { w.mkdir("state", 0o755) }, "state", doctor.Warn, []string{"0755", "chmod it to 0700"}},
		"no state":                     {func(w *ward) { w.Config.State = "" }, "state", doctor.Warn, []string{"nothing outlasts a run"}},
		"store damaged": {func(w *ward) {
			w.write("state/lock", "", 0o600)
			w.write("state/cache.db", strings.Repeat("no database ", 1000), 0o600)
		}, "store", doctor.Warn, []string{"cache.db", "moves it aside"}},
		"a folder in the place of the store": {func(w *ward) { w.mkdir("state/queue.db", 0o700) }, "store", doctor.Fail, []string{"queue.db", "remember nothing"}},
		"key is open to others": {func(w *ward) {
			w.cloud(w.api(models), secret.Key{File: w.write("key", "k", 0o644)})
		}, "secrets", doctor.Warn, []string{"0644", "chmod 600"}},
		"token is not there": {func(w *ward) {
			w.Config.Callers = []config.Caller{{Name: "app", Token: secret.Key{Env: "DOCTOR_TOKEN_THAT_IS_NOT_SET"}}}
			w.Config.Listen.HTTP = "127.0.0.1:0"
		}, "secrets", doctor.Fail, []string{"callers[0].token", "DOCTOR_TOKEN_THAT_IS_NOT_SET", "does not start"}},
		"token is short": {func(w *ward) {
			w.Config.Callers = []config.Caller{{Name: "app", Token: secret.Key{File: w.write("token", "sesame", 0o600)}}}
			w.Config.Listen.HTTP = "127.0.0.1:0"
		}, "secrets", doctor.Fail, []string{"callers[0].token is too short", "does not start"}},
		"token file is empty": {func(w *ward) {
			w.Config.Listen.Token, w.Config.Listen.HTTP = secret.Key{File: w.write("token", "", 0o600)}, "127.0.0.1:0"
		}, "secrets", doctor.Fail, []string{"listen.token", "is empty", "does not start"}},
		"port taken": {func(w *ward) {
			w.Config.Listen.HTTP = strings.TrimPrefix(strings.TrimSuffix(w.api(models), "/v1"), "http://")
		}, "http", doctor.Fail, []string{"is taken", "listen.http"}},
		"certificate ended":     {func(w *ward) { w.certificate(today.AddDate(0, 0, -1)) }, "certificate", doctor.Fail, []string{"ended on 2026-11-19", "config reload"}},
		"certificate ends soon": {func(w *ward) { w.certificate(today.AddDate(0, 0, 3)) }, "certificate", doctor.Warn, []string{"ends on 2026-11-23"}},
		"no certificate": {func(w *ward) {
			w.Config.Listen.HTTP, w.Config.Listen.TLS = "127.0.0.1:0", &config.TLS{Cert: "/nowhere", Key: w.write("k", "", 0o600)}
		}, "certificate", doctor.Fail, []string{"/nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			c.ruin(w)
			w.finds(c.check, c.verdict, c.says...)
		})
	}
}

// certificate makes one that is good until then, and has callers see it.
func (w *ward) certificate(until time.Time) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.AddDate(-1, 0, 0), NotAfter: until}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	w.Config.Listen.HTTP = "127.0.0.1:0"
	w.Config.Listen.TLS = &config.TLS{
		Cert: w.write("cert.pem", block("CERTIFICATE", cert), 0o600), Key: w.write("key.pem", block("PRIVATE KEY", raw), 0o600),
	}
}

// TestLocal breaks the engine and its model.
func TestLocal(t *testing.T) {
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of nothing
	newer := "#!/bin/sh\necho 'version: 99999 (abc)'\n"
	for name, c := range map[string]struct {
		engine, program string
		sum             string
		check           string
		says            []string
	}{
		"no engine":      {"missing", "", sum, "engine", []string{"missing", "cannot be run", "make setup"}},
		"engine too old": {"engine", "#!/bin/sh\necho 'version: 9999 (abc)'\n", sum, "engine", []string{"9999", "11393", "CVE-2026-107183"}},
		"engine crashes": {"engine", newer + `[ "$*" = --version ] || { echo out of luck >&2; exit 1; }`, sum, "engine", []string{"does not start with m", "model verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.write("engine", c.program, 0o700)
			w.Config.Local = config.Local{
				Engine: config.Engine{Command: []string{filepath.Join(w.dir, c.engine)}},
				Models: []config.Model{{Name: "m", File: w.write("model", "", 0o600), SHA256: c.sum, Services: []string{"chat"}}},
			}
			w.Engine = daemon.LocalOptions(w.Config)
			w.finds(c.check, doctor.Fail, c.says...)
		})
	}
	t.Run("models", func(t *testing.T) {
		w := newWard(t)
		w.Daemon, w.Silence = &status.Status{Version: "1"}, nil
		w.Config.Local = config.Local{
			Engine: config.Engine{Command: []string{w.write("engine", newer, 0o700)}},
			Models: []config.Model{{Name: "m", File: w.write("model", "other", 0o600), SHA256: sum}},
		}
		w.finds("model", doctor.Fail, "not e3b0c44298fc", "make setup", "sha256")
		w.Config.Local.Models[0].File = "/nowhere"
		w.finds("model", doctor.Fail, "/nowhere is not there", "make setup")
		w.Config.Local.Models = nil
		w.finds("model", doctor.Warn, "no local model", "make setup")
	})
	t.Run("server", func(t *testing.T) {
		w := newWard(t)
		w.Config.Local = config.Local{Engine: config.Engine{URL: "http://127.0.0.1:1/v1"}}
		w.finds("engine", doctor.Fail, "nobody answers", "local.engine.url")
	})
}

// TestTargets has a cloud answer in each wrong way.
func TestTargets(t *testing.T) {
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", today.Format(http.TimeFormat))
			w.Header().Set("Location", "http://login.invalid/")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		verdict string
		says    []string
	}{
		"key refused":      {says(401, "sesame is wrong"), doctor.Fail, []string{"cloud/first", "refuses the key (status 401)", "variable DOCTOR_KEY", "config reload"}},
		"not paid":         {says(402, ""), doctor.Fail, []string{"wants to be paid"}},
		"portal redirects": {says(302, ""), doctor.Fail, []string{"answers in its place", "captive portal"}},
		"portal says 511":  {says(511, ""), doctor.Fail, []string{"captive portal"}},
		"portal says 200":  {says(200, "<html>log in</html>"), doctor.Fail, []string{"captive portal"}},
		"no list":          {says(404, ""), doctor.Warn, []string{"key is not checked", "base_url"}},
		"other models":     {says(200, `{"data":[{"id":"x"}]}`), doctor.Warn, []string{`"m" is not in its list`, "correct models"}},
		"too many":         {says(429, ""), doctor.Warn, []string{"fewer calls"}},
		"in trouble":       {says(503, ""), doctor.Warn, []string{"trouble of its own"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCTOR_KEY", "sesame")
			w := newWard(t)
			w.cloud(w.api(c.answer), secret.Key{Env: "DOCTOR_KEY"})
			w.finds("target", c.verdict, c.says...)
			for _, f := range w.examine() {
				if strings.Contains(f.Message+f.Hint, "sesame") {
					t.Errorf("%+v shows the key", f)
				}
			}
		})
	}
	t.Run("no key", func(t *testing.T) {
		w := newWard(t)
		w.cloud(w.api(models), secret.Key{Env: "DOCTOR_KEY_THAT_IS_NOT_SET"})
		w.finds("target", doctor.Fail, "DOCTOR_KEY_THAT_IS_NOT_SET is not set", "put the key there")
		w.Daemon, w.Silence = &status.Status{Version: "1"}, nil
		w.finds("target", doctor.Warn, "an environment of its own")
	})
	t.Run("other kinds", func(t *testing.T) {
		w := newWard(t)
		w.cloud(w.api(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }), secret.Key{})
		w.Config.Cloud.Targets[0].Kind = "http"
		for _, f := range w.examine() {
			if f.Verdict == doctor.Fail {
				t.Errorf("got %+v", f)
			}
		}
		w.Config.Cloud.Targets[0].BaseURL = "https://127.0.0.1:1"
		w.finds("target", doctor.Fail, "cannot be reached")
	})
	t.Run("refused", func(t *testing.T) {
		w := newWard(t)
		w.cloud("http://127.0.0.1:1/v1", secret.Key{})
		w.finds("target", doctor.Fail, "cannot be reached", "refused", "check base_url")
	})
	t.Run("portal with a certificate", func(t *testing.T) {
		w := newWard(t)
		s := httptest.NewUnstartedServer(http.HandlerFunc(models))
		s.Config.ErrorLog = log.New(&bytes.Buffer{}, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		w.cloud(s.URL+"/v1", secret.Key{})
		w.finds("target", doctor.Fail, "answers in its place", "captive portal", "SSL_CERT_FILE")
	})
	t.Run("switched off", func(t *testing.T) {
		w := newWard(t)
		w.cloud(w.api(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }), secret.Key{})
		w.Config.Cloud.Disabled = true
		said := map[string]string{}
		for _, f := range w.examine() {
			said[f.Check] = f.Message
		}
		for check, want := range map[string]string{"target": "not asked: the cloud is switched off (cloud.disabled)", "network": "the cloud is switched off"} {
			if !strings.Contains(said[check], want) {
				t.Errorf("%s says %q, want %q", check, said[check], want)
			}
		}
	})
	t.Run("offline", func(t *testing.T) {
		w := newWard(t)
		w.Offline = true
		w.cloud(w.api(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }), secret.Key{})
		for _, f := range w.examine() {
			if f.Verdict == doctor.Fail {
				t.Errorf("got %+v", f)
			}
		}
	})
}

func TestClock(t *testing.T) {
	w := newWard(t)
	w.Now = time.Unix(0, 0)
	w.finds("clock", doctor.Fail, "1970-01-01", "before this program was built", "timedatectl")
	w.Now = time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)
	w.finds("clock", doctor.Fail, "2100-01-01", "far in the future")
	w.Now = today.Add(time.Hour)
	w.cloud(w.api(models), secret.Key{})
	w.finds("clock", doctor.Warn, "differs from the target's by 1h0m0s", "set the clock")
}

func TestDaemon(t *testing.T) {
	w := newWard(t)
	w.Silence = errors.New("something listens at s and does not answer")
	w.finds("daemon", doctor.Fail, "does not answer", "start it again")
	w.Daemon, w.Silence = &status.Status{}, errors.New("the daemon does not tell how it is: you may not")
	w.finds("daemon", doctor.Warn, "you may not", "a user who may")
	w.Silence, w.Daemon = nil, &status.Status{Version: "0"}
	w.finds("daemon", doctor.Warn, "version 0 and this program 1", "restart the daemon")
	w.Daemon = &status.Status{Version: "1", Health: []status.Condition{
		{Name: "store_full", Severity: "fail", Message: "no room", Hint: "free space"},
		{Name: "restart", Severity: "info", Message: "drain waits"},
	}}
	w.finds("daemon.store_full", doctor.Fail, "no room", "free space")
}

func TestConfigAndOffers(t *testing.T) {
	w := newWard(t)
	w.Environ = []string{"OPENAI_API_KEY=sesame", "MISTRAL_API_KEY=", "HOME=/"}
	offered := 0
	for _, f := range w.examine() {
		if f.Check == "keys" {
			offered++
			if f.Verdict != doctor.OK || !strings.Contains(f.Hint, "key: {env: OPENAI_API_KEY}") || strings.Contains(f.Hint, "sesame") {
				t.Errorf("got %+v", f)
			}
		}
	}
	if offered != 1 {
		t.Errorf("%d keys were offered, want 1", offered)
	}
	w.Config.Cloud.Targets = []config.Target{{Name: "far", Kind: "openai", BaseURL: "http://192.0.2.1/v1", Key: secret.Key{Env: "OPENAI_API_KEY"}}}
	w.Offline = true
	t.Setenv("OPENAI_API_KEY", "sesame")
	w.finds("config", doctor.Warn, "in the clear", "use https")
	w.Config, w.Fault = nil, errors.New("test.yaml:1:1: nonsense: unknown key")
	w.Environ = nil
	w.finds("config", doctor.Fail, "test.yaml:1:1", "config check")
}

// TestInterrupted ends an examination between two checks.
func TestInterrupted(t *testing.T) {
	w := newWard(t)
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	doctor.Examine(ctx, w.Patient, func(string) { n++; stop() }, func(doctor.Finding) {})
	if n != 1 {
		t.Errorf("%d checks began after the end, want none", n-1)
	}
}

// TestPortIsFree asks for a port that was taken a moment ago.
func TestPortIsFree(t *testing.T) {
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := newWard(t)
	w.Config.Listen.HTTP = l.Addr().String()
	l.Close()
	for _, f := range w.examine() {
		if f.Check == "http" && f.Verdict != doctor.OK {
			t.Errorf("got %+v of a port that is free again", f)
		}
	}
}
