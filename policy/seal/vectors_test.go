package seal_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/policy/seal"
)

const vectors = "../../build/seal/vectors.py"

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// holdVectors holds what another implementation signed to what it wrote.
func holdVectors(t *testing.T, folder string) {
	t.Helper()
	root, err := seal.ParseRoot(read(t, folder, "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"policy.dsse", "urlsafe.dsse"} {
		v, err := root.Verify(read(t, folder, name), device, nil, trusted)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v.Body != "# grün & <free>\nversion: 1\n" || v.Version != 7 || v.Epoch != 2 || !v.Issued.Equal(now.Add(-3*time.Hour)) || len(v.SignedBy) != 2 {
			t.Errorf("%s: got %+v", name, v)
		}
	}
	if c, err := root.VerifyCommand(read(t, folder, "command.dsse"), device, trusted); err != nil || c.Do != "refresh" {
		t.Errorf("the command: %+v, %v", c, err)
	}
	next, err := root.Next(read(t, folder, "root2.json"))
	if err != nil || next.Version != 2 || len(next.Keys) != 2 {
		t.Fatalf("the next root: %+v, %v", next, err)
	}
	_, err = next.Verify(read(t, folder, "policy.dsse"), device, nil, trusted)
	refused(t, "by a key that was revoked", err, seal.TooFewSignatures)
}

// TestVectors: envelopes that Python and openssl signed once, and will be taken
// for ever.
func TestVectors(t *testing.T) { holdVectors(t, "testdata") }

// TestOtherHands: envelopes that Python and openssl sign now are taken, and what
// is signed here they verify.
func TestOtherHands(t *testing.T) {
	folder := t.TempDir()
	script(t, "make", folder)
	holdVectors(t, folder)
	a, b := must(seal.ParsePrivate(read(t, folder, "a"))), must(seal.ParsePrivate(read(t, folder, "b")))
	p := payload()
	p.Body = "ö & \"<b>\"\u2028\n"
	envelope := must(seal.Sign(seal.PolicyType, must(p.Encode()), b, a))
	if err := os.WriteFile(filepath.Join(folder, "policy.dsse"), envelope, 0o600); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Digest   string   `json:"digest"`
		SignedBy []string `json:"signed_by"`
		Document struct{ Body string }
	}
	if err := json.Unmarshal(script(t, "check", folder), &told); err != nil {
		t.Fatal(err)
	}
	want := []string{a.Key().ID(), b.Key().ID()}
	slices.Sort(want)
	if !slices.Equal(told.SignedBy, want) || told.Document.Body != p.Body || told.Digest != seal.Digest(must(seal.Open(envelope)).Payload) {
		t.Errorf("they read %+v", told)
	}
	altered := strings.Replace(string(envelope), `"payload":"e`, `"payload":"f`, 1)
	if err := os.WriteFile(filepath.Join(folder, "policy.dsse"), []byte(altered), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("python3", vectors, "check", folder).Output(); err == nil {
		t.Errorf("they take what was altered: %s", out)
	}
}

func script(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("python3", append([]string{vectors}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, said.String())
	}
	return out
}
