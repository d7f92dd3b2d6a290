package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/secret"
)

const hidden = "sk-do-not-show-0123456789"

func TestKeyResolve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	f := func(content string, k secret.Key, want, wantErr string) {
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
	env, inFile, command := secret.Key{Env: "NEARSIDE_TEST_KEY"}, secret.Key{File: file}, secret.Key{Command: []string{"cat", file}}
	f("", secret.Key{}, "", "")
	for _, k := range []secret.Key{env, inFile, command} {
		f(" "+hidden+"\n", k, hidden, "")
	}
	const strange = " holds a space, a line break or another character that no key has"
	f("\n", env, "", "variable NEARSIDE_TEST_KEY is empty")
	f(hidden+"\n"+hidden, inFile, "", "file "+file+strange)
	f(hidden+" \x01", command, "", "output of cat"+strange)
	f(strings.Repeat("k", 70_000), inFile, "", file+": is larger than 64 KiB")
	f(strings.Repeat("k", 70_000), command, "", "output of cat is too long for a key")
	f("", secret.Key{Env: "NEARSIDE_TEST_UNSET"}, "", "variable NEARSIDE_TEST_UNSET is not set")
	f("", secret.Key{File: file + "x"}, "", "open "+file+"x: no such file or directory")
	f("", secret.Key{Command: []string{"sh", "-c", "echo " + hidden + " >&2; exit 3"}}, "", "run sh: exit status 3")
}

func TestKeyCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (secret.Key{Command: []string{"sleep", "60"}}).Resolve(ctx); err == nil || err.Error() != "run sleep: context canceled" {
		t.Errorf("got %v", err)
	}
}
