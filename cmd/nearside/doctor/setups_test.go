package doctor_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nearside/agent/config"
	"nearside/agent/config/secret"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/doctor"
)

// TestWrongPlace has a base_url that leads to something else than was meant.
func TestWrongPlace(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	plain := httptest.NewServer(http.HandlerFunc(models))
	t.Cleanup(plain.Close)
	secured := httptest.NewUnstartedServer(http.HandlerFunc(models))
	secured.Config.ErrorLog = quiet
	secured.StartTLS()
	t.Cleanup(secured.Close)
	deaf := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	deaf.Config.ErrorLog = quiet
	deaf.Start()
	t.Cleanup(deaf.Close)
	for name, c := range map[string]struct {
		base, verdict string
		says          []string
	}{
		"https to plain HTTP": {"https" + strings.TrimPrefix(plain.URL, "http"), doctor.Fail, []string{"does not speak TLS", "write http://", "captive portal"}},
		"http to TLS":         {"http" + strings.TrimPrefix(secured.URL, "https"), doctor.Warn, []string{"does not take a call", "status 400", "http or https"}},
		"hangs up":            {deaf.URL, doctor.Fail, []string{"hangs up without an answer", "https where the target speaks TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.cloud(c.base+"/v1", secret.Key{})
			w.finds("target", c.verdict, c.says...)
		})
	}
}

// TestServerBeside has a local server that answers, and not as an engine does.
func TestServerBeside(t *testing.T) {
	for says, answer := range map[string]http.HandlerFunc{
		"does not give its list of models: 401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"does not give its list of models: 404": http.NotFound,
		"is no such server":                     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
	} {
		w := newWard(t)
		w.Config.Local = config.Local{Engine: config.Engine{URL: w.api(answer)}}
		w.finds("engine", doctor.Fail, says, "mostly ends with /v1")
	}
}

// TestGate has a gate that cannot be used.
func TestGate(t *testing.T) {
	w := newWard(t)
	w.Config.Local.Gate = &config.Gate{File: w.write("car.gate", "junk", 0o600)}
	w.Gate = errors.New("read car.gate: this is not a gate file")
	w.finds("gate", doctor.Warn, "not a gate file", "without its gate", "nearside gate train")
}

// TestNoModel has files in a model's place that are none, and an engine that
// ends without a word.
func TestNoModel(t *testing.T) {
	w := newWard(t)
	w.Config.Local = config.Local{
		Engine: config.Engine{Command: []string{w.write("engine", "#!/bin/sh\necho 'version: 99999 (abc)'\n", 0o700)}},
		Models: []config.Model{{Name: "m", File: w.write("model", "<html>not found</html>", 0o600), Services: []string{"chat"}}},
	}
	w.Engine = daemon.LocalOptions(w.Config)
	said := map[string]string{}
	for _, f := range w.examine() {
		said[f.Check+" "+f.Verdict] += f.Message
	}
	if got := said["model warn"]; !strings.Contains(got, `it begins with "<htm"`) {
		t.Errorf("of a web page got %q", got)
	}
	if got := said["engine fail"]; !strings.Contains(got, "ended while loading: exit status 0") {
		t.Errorf("of an engine that ends got %q", got)
	}
	w.mkdir("folder", 0o700)
	pipe := filepath.Join(w.dir, "pipe") // that nobody writes to
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(w.dir, "folder"), pipe} {
		w.Config.Local.Models[0].File = file
		w.Engine = daemon.LocalOptions(w.Config)
		said = map[string]string{}
		for _, f := range w.examine() {
			said[f.Check+" "+f.Verdict] += f.Message
		}
		if got := said["model fail"]; !strings.Contains(got, "is not a regular file") {
			t.Errorf("of %s got %q", file, got)
		}
	}
}
