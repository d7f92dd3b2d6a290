package secret_test

import (
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/secret"
)

// TestLeaks: what a person leaves in a file by mistake is found with its line
// and key, and what a file says of where a secret is, is not one.
func TestLeaks(t *testing.T) {
	for _, c := range []struct{ line, field string }{
		{"api_key: abcdefgh", "api_key"},
		{`  "apiKey": "abcdefgh"`, "apiKey"},
		{"- {name: first, key: hunter2hunter2, pool: a}", "key"},
		{"password: correct-horse", "password"},
		{"CLIENT_SECRET = xyz-123-abc", "CLIENT_SECRET"},
		{"headers: {Authorization: Basic dXNlcjpwYXNz}", "Authorization"},
		{"# the key is sk-proj-0123456789abcdef", ""},
		{"note: use sk-0123456789abcdef for tests", "note"},
		{"x: AKIAIOSFODNN7EXAMPLE", "x"},
		{"x: ghp_0123456789abcdefghij0123456789abcdef", "x"},
		{"h: 'Bearer 0123456789abcdef'", "h"},
		{"cert: |-----BEGIN RSA PRIVATE KEY-----", "cert"},
		{"base_url: https://user:hunter2@api.example/v1", "base_url"},
		{"jwt: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0x.c2ln", "jwt"},
	} {
		got := secret.Leaks([]byte("version: 1\n" + c.line + "\n"))
		if len(got) != 1 || got[0] != (secret.Leak{Line: 2, Field: c.field}) {
			t.Errorf("%s: got %+v", c.line, got)
		}
	}
	for _, line := range []string{
		"key: {env: FIRST_KEY}", "key: {file: /etc/key}", `"key":{"command":["pass","first"]}`, "token: {file: F}", "max_tokens: 512",
		"tokens_out: 4", "token: null", "key:", "# the key is in the vault", "base_url: https://api.example:8443/v1@2", "monkey: banana", "secret: false",
	} {
		if got := secret.Leaks([]byte(line)); got != nil {
			t.Errorf("%s: got %+v", line, got)
		}
	}
	for _, name := range policies.Names() {
		text, _ := policies.Text(name)
		cases, _ := policies.Cases(name)
		if got := secret.Leaks([]byte(text + cases)); got != nil {
			t.Errorf("%s: got %+v in %s", name, got, strings.Split(text+cases, "\n")[got[0].Line-1])
		}
	}
}
