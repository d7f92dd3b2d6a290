package config_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nearside/agent/config"
)

const secret = "sk-do-not-show-0123456789"

func TestKeyResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	f := func(content string, k config.Key, want, wantErr string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("NEARSIDE_TEST_KEY", content)
		got, err := k.Resolve(t.Context())
		if wantErr != "" {
			if err == nil || err.Error() != wantErr {
				t.Errorf("%+v: got error %v, want %s", k, err, wantErr)
			}
			return
		}
		if got != want || err != nil {
			t.Errorf("%+v: got %q %v, want %q", k, got, err, want)
		}
	}
	env, inFile, command := config.Key{Env: "NEARSIDE_TEST_KEY"}, config.Key{File: file}, config.Key{Command: []string{"cat", file}}
	f("", config.Key{}, "", "")
	for _, k := range []config.Key{env, inFile, command} {
		f(" "+secret+"\n", k, secret, "")
	}
	const strange = " holds a space, a line break or another character that no key has"
	f("\n", env, "", "variable NEARSIDE_TEST_KEY is empty")
	f(secret+"\n"+secret, inFile, "", "file "+file+strange)
	f(secret+" \x01", command, "", "output of cat"+strange)
	f(strings.Repeat("k", 70_000), inFile, "", file+": is larger than 64 KiB")
	f(strings.Repeat("k", 70_000), command, "", "output of cat is too long for a key")
	f("", config.Key{Env: "NEARSIDE_TEST_UNSET"}, "", "variable NEARSIDE_TEST_UNSET is not set")
	f("", config.Key{File: file + "x"}, "", "open "+file+"x: no such file or directory")
	f("", config.Key{Command: []string{"sh", "-c", "echo " + secret + " >&2; exit 3"}}, "", "run sh: exit status 3")
}

func TestKeyCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (config.Key{Command: []string{"sleep", "60"}}).Resolve(ctx); err == nil || err.Error() != "run sleep: context canceled" {
		t.Errorf("got %v", err)
	}
}

func TestKeysWrittenIntoTheConfigAreRefusedUnseen(t *testing.T) {
	const use = "must not be written here; use {env: NAME}, {file: PATH} or {command: [PROGRAM, ...]}"
	f := func(key, want string) {
		t.Helper()
		path := write(t, strings.Replace(target, "models:", "key: "+key+", models:", 1))
		_, err := config.Load(path)
		if got := faultsOf(err, path); got != want {
			t.Errorf("%s\ngot:  %s\nwant: %s", key, got, want)
		}
	}
	const at = "3:62: cloud.targets[0].key"
	f(secret, at+": "+use)
	f("'"+secret+"'", at+": "+use)
	f("1234", at+": "+use)
	f("["+secret+"]", at+": must be keys with values, not a list")
	f("{"+secret+"}", "3:68: cloud.targets[0].key: has an unknown key; known are env, file, command")
	f("{env: "+secret+"}", "3:68: cloud.targets[0].key.env: must be the name of a variable: letters, digits and _; not the key itself")
	f("{env: A, file: b}", at+": must have only one of env, file and command")
	f("{command: []}", "3:68: cloud.targets[0].key.command: must begin with a program")
	f("@"+secret, "3:67: '@' is a reserved character")
	f("\""+secret, "3:67: could not find end character of double-quoted text")
	f("{env: A}}"+secret+"{", "3:76: value is not allowed in this context")
}

const private = `
local:
  engine: {command: [llama-server, --api-key, SECRET, --hf-token=SECRET, --port, "1"]}
  models: [{name: m, file: /m.gguf, sampling: {temperature: 0}}]
cloud:
  targets:
    - name: a
      kind: openai
      base_url: https://a.example/v1
      key: {command: [/bin/echo, SECRET]}
      models: {chat: m}
`

func TestShowHidesSecrets(t *testing.T) {
	c := load(t, strings.ReplaceAll(private, "SECRET", secret))
	for _, show := range []func() ([]byte, error){c.Show, c.ShowJSON} {
		out, err := show()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), secret) || strings.Count(string(out), "[redacted]") != 3 {
			t.Errorf("shown:\n%s", out)
		}
	}
	if c.Cloud.Targets[0].Key.Command[1] != secret || c.Local.Engine.Command[2] != secret {
		t.Error("showing changed the config")
	}
}

func TestWhatIsShownCanBeLoaded(t *testing.T) {
	c := load(t, full)
	out, err := c.Show()
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.Load(write(t, string(out)))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.Listen.Origins = nil // an empty list is not shown
	if !reflect.DeepEqual(again, c) {
		t.Errorf("shown:\n%s\ngot\n%+v\nwant\n%+v", out, again, c)
	}
}

func TestShowJSON(t *testing.T) {
	out, err := load(t, full).ShowJSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cache map[string]string
		Local struct{ Models []map[string]any }
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]string{"fresh": "30m", "stale": "168h", "max_bytes": "2MiB"}
	if !reflect.DeepEqual(got.Cache, want) || got.Local.Models[0]["system"] != "Be brief.\n" {
		t.Errorf("got %s", out)
	}
}
