package config_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"nearside/agent/config"
)

const hidden = "sk-do-not-show-0123456789"

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
	f(hidden, at+": "+use)
	f("'"+hidden+"'", at+": "+use)
	f("1234", at+": "+use)
	f("["+hidden+"]", at+": must be keys with values, not a list")
	f("{"+hidden+"}", "3:68: cloud.targets[0].key: has an unknown key; known are env, file, command")
	f("{env: "+hidden+"}", "3:68: cloud.targets[0].key.env: must be the name of a variable: letters, digits and _; not the key itself")
	f("{env: A, file: b}", at+": must have only one of env, file and command")
	f("{command: []}", "3:68: cloud.targets[0].key.command: must begin with a program")
	f("@"+hidden, "3:67: '@' is a reserved character")
	f("\""+hidden, "3:67: could not find end character of double-quoted text")
	f("{env: A}}"+hidden+"{", "3:76: value is not allowed in this context")
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
	c := load(t, strings.ReplaceAll(private, "SECRET", hidden))
	for _, show := range []func() ([]byte, error){c.Show, c.ShowJSON} {
		out, err := show()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), hidden) || strings.Count(string(out), "[redacted]") != 3 {
			t.Errorf("shown:\n%s", out)
		}
	}
	if c.Cloud.Targets[0].Key.Command[1] != hidden || c.Local.Engine.Command[2] != hidden {
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
