package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/agent/config/remote"
	"nearside/agent/config/secret"
	"nearside/agent/config/written"
)

// write makes nearside.yaml in a folder of its own, with nothing installed.
func write(t testing.TB, text string) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	path := filepath.Join(t.TempDir(), "nearside.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads text that must be good.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const full = `
listen:
  socket: /run/nearside/nearside.sock      # folder 0750, socket 0660
  http: 127.0.0.1:6327
  hosts: [localhost, 127.0.0.1]
  origins: []
state: /var/lib/nearside
local:
  disabled: false
  engine: {command: [/usr/bin/llama-server], idle: 5m, start: boot, threads: 3}
  models:
    - name: smollm2-135m
      file: models/small.gguf
      sha256: 3c30f90b9f8d5f2f5c6e4f4f7c0f3d0a2f1b0e9d8c7b6a594837261504f3e2d1
      context: 4096
      system: |
        Be brief.
      sampling: {temperature: 0, top_p: 0.9}
cloud:
  targets:
    - {name: first, kind: openai, base_url: "https://api.example/v1", key: {env: FIRST_KEY}, models: {embed: e, chat: some-model}, price: {input: 0.4, output: 1.6}}
    - name: second
      kind: openai
      base_url: http://127.0.0.1:8080
      key: {file: second.key}
      models: {chat: other, embed: e}
      services: [chat]
      context: 128000
cache: {fresh: 30m, stale: 168h, max_bytes: 2MiB}
policy: policy.yaml
remote:
  {root: root.json, tenant: T, channel: c, device: d-1, labels: {site: berlin},
   mqtt: {brokers: ["tls://h:8883", "wss://h/mqtt"], ca: ca.pem, user: u, password: {file: mqtt.password}, keep_alive: 10m},
   pull: {url: "https://h/policies"}}
drain: 1m30s
log: {level: debug, format: json}
`

func TestFull(t *testing.T) {
	path := write(t, full)
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := &config.Config{
		Listen: config.Listen{
			Socket: "/run/nearside/nearside.sock", HTTP: "127.0.0.1:6327",
			Hosts: []string{"localhost", "127.0.0.1"}, Origins: []string{}, Asks: 256,
		},
		State: "/var/lib/nearside",
		Local: config.Local{
			Engine: config.Engine{Command: []string{"/usr/bin/llama-server"}, Idle: 5 * time.Minute, Start: "boot", Threads: 3, Sandbox: true},
			Models: []config.Model{{
				Name: "smollm2-135m", File: filepath.Join(dir, "models/small.gguf"),
				SHA256:   "3c30f90b9f8d5f2f5c6e4f4f7c0f3d0a2f1b0e9d8c7b6a594837261504f3e2d1",
				Services: []string{"chat"}, Context: 4096, System: "Be brief.\n",
				Sampling: map[string]float64{"temperature": 0, "top_p": 0.9},
			}},
		},
		Cloud: config.Cloud{Targets: []config.Target{{
			Name: "first", Kind: "openai", BaseURL: "https://api.example/v1", Key: secret.Key{Env: "FIRST_KEY"},
			Models: map[string]string{"chat": "some-model", "embed": "e"}, Services: config.Offer{Names: []string{"chat", "embed"}},
			Price: &config.Price{Input: 0.4, Output: 1.6},
		}, {
			Name: "second", Kind: "openai", BaseURL: "http://127.0.0.1:8080", Key: secret.Key{File: filepath.Join(dir, "second.key")},
			Models: map[string]string{"chat": "other", "embed": "e"}, Services: config.Offer{Names: []string{"chat"}}, Context: 128000,
		}}},
		Learn:  config.Learn{AuditPct: 1.5, AuditCalls: 20, AuditUSD: 0.05},
		Cache:  config.Cache{Fresh: 30 * time.Minute, Stale: 168 * time.Hour, MaxBytes: 2 << 20},
		Policy: filepath.Join(dir, "policy.yaml"),
		Remote: &remote.Remote{
			Root: filepath.Join(dir, "root.json"), Tenant: "T", Channel: "c", Device: "d-1", Ring: "default", Labels: map[string]string{"site": "berlin"},
			MQTT: &remote.MQTT{
				Brokers: []string{"tls://h:8883", "wss://h/mqtt"}, CA: filepath.Join(dir, "ca.pem"), User: "u",
				Password: secret.Key{File: filepath.Join(dir, "mqtt.password")}, KeepAlive: 10 * time.Minute,
			},
			Pull: &remote.Pull{URL: "https://h/policies", Every: 15 * time.Minute},
		},
		Drain: 90 * time.Second,
		Log:   config.Log{Level: "debug", Format: "json"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
	if w := c.Warnings(); w != nil {
		t.Errorf("warnings: %q", w)
	}
}

func TestProgramsWithASlashAreRelativeToTheFile(t *testing.T) {
	f := func(program, want string) {
		t.Helper()
		path := write(t, "local: {engine: {command: ["+program+", a/b]}}")
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		want = strings.Replace(want, "DIR", filepath.Dir(path), 1)
		if got := c.Local.Engine.Command; got[0] != want || got[1] != "a/b" {
			t.Errorf("%s: got %q, want %q", program, got, want)
		}
	}
	f("llama-server", "llama-server")
	f("/bin/llama-server", "/bin/llama-server")
	f("./llama-server", "DIR/llama-server")
	f("bin/llama-server", "DIR/bin/llama-server")
}

func TestNothingInTheFileMeansDefaults(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	want := config.Default()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "\ufeff", "local: {disabled: false}", "drain: 10s\r\nlog:\r\n  level: info\r\n"} {
		want.Empty = text == "" || text == "\n"
		if got := load(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got\n%+v\nwant\n%+v", text, got, want)
		}
	}
}

func TestHTTPCanBeOff(t *testing.T) {
	if c := load(t, `listen: {http: ""}`); c.Listen.HTTP != "" {
		t.Errorf("got %q", c.Listen.HTTP)
	}
}

func TestWarnings(t *testing.T) {
	c := load(t, `
cloud: {targets: [{name: a, kind: openai, base_url: "http://a.example", models: {chat: m}}]}
`)
	want := []config.Warning{{
		Message: "cloud.targets[0].base_url: http to another host: the key and all questions travel in the clear", Hint: "use https",
	}}
	if got := c.Warnings(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	c = load(t, `
local:
  engine: {command: [/usr/bin/llama-server]}
  models: [{name: m, file: /m.gguf, services: [chat, embed]}]
cloud: {targets: [{name: a, kind: openai, base_url: "https://a.example", models: {chat: m, embeddings: n}}]}
`)
	got := c.Warnings()
	if len(got) != 2 || !strings.Contains(got[0].Message, "nothing else") || !strings.Contains(got[1].Message, "nothing asks a model for embeddings") {
		t.Errorf("got %q", got)
	}
}

func TestValidateSeesWhatFlagsChanged(t *testing.T) {
	c := load(t, "")
	c.Listen.HTTP = "0.0.0.0:6327"
	got := c.Validate()
	want := `listen.http: "0.0.0.0" on port 6327 is not a loopback address; that needs listen.tls and listen.token`
	if len(got) != 1 || got[0].Error() != want {
		t.Errorf("got %q", got)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none.yaml"), dir} {
		if _, err := config.Load(path); err == nil || !strings.HasPrefix(err.Error(), "read config: ") || !strings.Contains(err.Error(), path) {
			t.Errorf("config %s: %v", path, err)
		}
		if _, _, err := written.LoadPolicy(path); err == nil || !strings.HasPrefix(err.Error(), "read policy: ") {
			t.Errorf("policy %s: %v", path, err)
		}
	}
}
