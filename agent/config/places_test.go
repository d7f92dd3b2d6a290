package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"nearside/agent/config"
)

func TestDefaultPaths(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", dir)
	c := config.Default()
	socket, state := "/run/nearside/nearside.sock", "/var/lib/nearside"
	if os.Geteuid() != 0 {
		socket, state = filepath.Join(dir, "run/nearside/nearside.sock"), filepath.Join(dir, ".local/state/nearside")
	}
	if c.Listen.Socket != socket || c.State != state {
		t.Errorf("got %s and %s, want %s and %s", c.Listen.Socket, c.State, socket, state)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	c = config.Default()
	if os.Geteuid() != 0 {
		socket = filepath.Join(os.TempDir(), "nearside-"+strconv.Itoa(os.Geteuid()), "nearside.sock")
	}
	if c.Listen.Socket != socket {
		t.Errorf("got %s, want %s", c.Listen.Socket, socket)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	user := filepath.Join(dir, "nearside", "nearside.yaml")
	named := filepath.Join(dir, "named.yaml")
	if err := os.Mkdir(filepath.Dir(user), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{user, named} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(flag, env, xdg, want, wantErr string) {
		t.Helper()
		t.Setenv("NEARSIDE_CONFIG", env)
		t.Setenv("XDG_CONFIG_HOME", xdg)
		path, ok, err := config.Find(flag)
		if wantErr != "" {
			if err == nil || err.Error() != wantErr {
				t.Errorf("got error %v, want %s", err, wantErr)
			}
			return
		}
		if err != nil || path != want || !ok {
			t.Errorf("got %q %v %v, want %q", path, ok, err, want)
		}
	}
	missing := filepath.Join(dir, "missing.yaml")
	f(named, missing, dir, named, "")
	f("", named, dir, named, "")
	f("", "", dir, user, "")
	f(missing, named, dir, "", "find config: there is no file "+missing)
	f("", missing, dir, "", "find config: there is no file "+missing)
}

const installed = `{"engine": {"command": ["/x/llama-server"], "build": "b11549", "sha256": "ab"},
"models": [{"name": "small", "file": "/x/small.gguf", "sha256": "SHA", "services": ["chat"], "context": 4096,
"system": "Be brief.", "sampling": {"temperature": 0}}]}`

func install(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	if err := os.Mkdir(filepath.Join(dir, "nearside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nearside", "installed.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInstalledFillsLocal(t *testing.T) {
	sha := strings.Repeat("ab", 32)
	known := config.Model{
		Name: "small", File: "/x/small.gguf", SHA256: sha, Services: []string{"chat"}, Context: 4096,
		System: "Be brief.", Sampling: map[string]float64{"temperature": 0},
	}
	longer := known
	longer.Context = 8192
	engine := []string{"/x/llama-server"}
	f := func(text string, command []string, models ...config.Model) {
		t.Helper()
		path := write(t, text)
		install(t, strings.Replace(installed, "SHA", sha, 1))
		c, err := config.Load(path)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(c.Local.Engine.Command, command) || !reflect.DeepEqual(c.Local.Models, models) {
			t.Errorf("%s\ngot  %v %+v\nwant %v %+v", text, c.Local.Engine.Command, c.Local.Models, command, models)
		}
	}
	other := config.Model{Name: "other", File: "/o", Services: []string{"chat"}}
	f("", engine, known)
	f("local: {engine: {threads: 1}}", engine, known)
	f("local: {engine: {command: [llama-server]}}", []string{"llama-server"}, known)
	f("local: {models: [{name: small, context: 8192}]}", engine, longer)
	f("local: {models: [{name: other, file: /o}]}", engine, other)
	f("local: {disabled: true}", nil)
	f("local: {engine: {url: 'http://127.0.0.1:11434/v1'}, models: [{name: 'llama3.2:1b'}]}", nil,
		config.Model{Name: "llama3.2:1b", Services: []string{"chat"}})
}

func TestInstalled(t *testing.T) {
	install(t, strings.Replace(installed, "SHA", strings.Repeat("ab", 32), 1))
	in, err := config.LoadInstalled()
	if err != nil || in.Engine.Build != "b11549" || len(in.Models) != 1 {
		t.Errorf("got %+v, %v", in, err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if in, err := config.LoadInstalled(); err != nil || in.Engine.Command != nil {
		t.Errorf("nothing installed: %+v, %v", in, err)
	}
}

// TestInstalledFault: a fault in installed.json costs what it would have filled,
// and nothing else.
func TestInstalledFault(t *testing.T) {
	faults := map[string]string{
		`{"engine": `: "unexpected end",
		strings.Replace(installed, "SHA", "1234", 1):      "models[0].sha256: must be 64 hex digits",
		`{"models": [{"name": "small"}]}`:                 "models[0].file: is missing",
		`{"engine": {"command": [""]}}`:                   "engine.command: must begin with a program",
		`{"models": [{"name": "a b", "file": "/x"}]}`:     `models[0].name: "a b" must be`,
		`{"models": [{"name": "small", "file": ["/x"]}]}`: "models.file",
	}
	f := func(text string, fault string, models ...config.Model) {
		t.Helper()
		path := write(t, text)
		for broken, says := range faults {
			install(t, broken)
			c, err := config.Load(path)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if len(c.Local.Models)+len(models) > 0 && !reflect.DeepEqual(c.Local.Models, models) {
				t.Errorf("%s: got models %+v, want %+v", text, c.Local.Models, models)
			}
			w := c.Warnings()
			if fault == "" && len(w) > 0 {
				t.Errorf("%s: got %+v", text, w)
			}
			if fault != "" && (len(w) != 1 || !strings.Contains(w[0].Message, fault) || !strings.Contains(w[0].Message, says) || w[0].Hint != "run make setup again, or remove it") {
				t.Errorf("%s: got %+v, want %s and %s", text, w, fault, says)
			}
		}
	}
	other := config.Model{Name: "other", File: "/o", Services: []string{"chat"}}
	f("", "installed.json")
	f("local: {engine: {command: [llama-server]}}", "installed.json")
	f("local: {models: [{name: small}, {name: other, file: /o}]}", "installed.json", other)
	f("local: {engine: {command: [llama-server]}, models: [{name: other, file: /o}]}", "", other)
	f("local: {disabled: true}", "")
}

// TestLetterCase: host names and checksums mean the same in either case.
func TestLetterCase(t *testing.T) {
	sha := strings.Repeat("AB", 32)
	c := load(t, "listen: {hosts: [LocalHost, '[FE80::1]']}\nlocal: {models: [{name: m, file: /m, sha256: "+sha+"}]}")
	if h := c.Listen.Hosts; h[0] != "localhost" || h[1] != "[fe80::1]" || c.Local.Models[0].SHA256 != strings.ToLower(sha) {
		t.Errorf("got %q and %s", h, c.Local.Models[0].SHA256)
	}
}

// TestNoHome: a user without a home folder can start, too.
func TestNoHome(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	c := config.Default()
	if os.Geteuid() != 0 && c.State != "" {
		t.Errorf("got state %q", c.State)
	}
	c.State = ""
	if p := c.Validate(); len(p) > 0 {
		t.Errorf("got %v", p)
	}
}
