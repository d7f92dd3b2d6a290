package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/agent/config"
)

const shop = `
cloud:
  targets:
    - name: shop
      kind: http
      base_url: https://shop.example
      key: {env: SHOP_KEY}
      key_header: X-Api-Key
      headers: {X-Shop: berlin}
      services:
        inventory: {path: /v2/items}
        shelf: {path: /v2/shelf, method: GET}
services:
  inventory:
    request_schema: {file: request.json}
    reply_schema: |
      {"type": "object", "required": ["stock"]}
    default: '{"stock": null}'
    fresh: 5m
    stale: 24h
`

func TestServices(t *testing.T) {
	path := write(t, shop)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "request.json"), []byte(`{"type":"object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	target, s := c.Cloud.Targets[0], c.Services["inventory"]
	if o := target.Services; len(o.Names) != 2 || o.APIs["inventory"] != (config.API{Path: "/v2/items", Method: "POST"}) || o.APIs["shelf"].Method != "GET" {
		t.Errorf("got %+v", o)
	}
	if s.RequestSchema.Text != `{"type":"object"}` || !strings.Contains(s.ReplySchema.Text, "stock") || s.Default.Text != `{"stock": null}` {
		t.Errorf("got %+v", s)
	}
	if s.Fresh != 5*time.Minute || *s.Stale != 24*time.Hour || len(c.Warnings()) != 0 {
		t.Errorf("got %+v, warnings %v", s, c.Warnings())
	}
	shown, err := c.Show()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"path: /v2/items", `default: "{\"stock\": null}"`, "fresh: 5m", "file: " + filepath.Dir(path)} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("no %q in %s", want, shown)
		}
	}
}

func TestServiceFaults(t *testing.T) {
	f := func(old, new, want string) {
		t.Helper()
		text := strings.Replace(strings.Replace(shop, `{file: request.json}`, `'{}'`, 1), old, new, 1)
		_, err := config.Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", new, err, want)
		}
	}
	f("/v2/items", "v2/items", "services.inventory.path: \"v2/items\" must be a path")
	f("/v2/items", "/v2/../items", "must be a path")
	f("/v2/items", "/v2?a=b", "must be a path")
	f("method: GET", "method: DELETE", "must be one of POST, PUT, PATCH, GET")
	f("inventory: {path", "chat: {path", "is taken")
	f("kind: http", "kind: openai", "must be a list of names")
	f("key: {env: SHOP_KEY}", "models: {chat: m}", "models: is for kind: openai")
	f("key: {env: SHOP_KEY}", "context: 5", "needs key")
	f("X-Shop", "X-Api-Token", "looks like the place of a secret")
	f("X-Shop", "Host", "is not for a config to set")
	f("X-Shop", "'X Shop'", "is no name of a header")
	f("X-Api-Key", "'X Key'", "must be the name of a header")
	f(`"required": ["stock"]`, `"required": "stock"`, "services.inventory.reply_schema: is no valid schema")
	f(`"required": ["stock"]`, `"$ref": "http://a.example/s"`, "nothing is fetched")
	f(`'{"stock": null}'`, `'{"stock"'`, "default: is not valid JSON")
	f(`'{"stock": null}'`, `'{}'`, "does not fit reply_schema")
	f(`'{"stock": null}'`, `{file: absent.json}`, "default: cannot be read")
	f(`'{"stock": null}'`, `{stock: null}`, "unknown key; known are file")
	f("fresh: 5m", "fresh: 999h", "fresh: must be from 0s to cache.stale")
	f("stale: 24h", "stale: 1m", "stale: must be from fresh")
	f("services:\n  inventory", "services:\n  embed", "is taken")
}

func TestServiceNobodyOffers(t *testing.T) {
	for text, want := range map[string]string{
		"services: {items: {fresh: 1m}}":                                      "services.items: no target offers it",
		"callers: [{name: app, uid: 7, services: [chat, embed, control, x]}]": "callers[0].services: no target offers x",
	} {
		c, err := config.Load(write(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if w := c.Warnings(); len(w) != 1 || w[0].Message != want {
			t.Errorf("%s: got %v", text, w)
		}
	}
}
