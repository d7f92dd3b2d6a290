package signer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nearside/cmd/nearside/signer"
	"nearside/policy/seal"
)

// run runs a program of the machine that has to work.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// startAgent starts a real ssh-agent that holds so many Ed25519 keys, and one of
// another kind.
func startAgent(t *testing.T, keys int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns") // a short path, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatalf("%v; make system installs openssh-client", err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil { // it speaks when it listens
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	run(t, "ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", filepath.Join(dir, "other"))
	run(t, "ssh-add", "-q", filepath.Join(dir, "other"))
	for i := range keys {
		path := filepath.Join(dir, "key"+string(rune('a'+i)))
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
		run(t, "ssh-add", "-q", path)
	}
}

// TestAgent: a real ssh-agent signs, and its key never leaves it.
func TestAgent(t *testing.T) {
	startAgent(t, 2)
	_, err := signer.Public(t.Context(), "agent:")
	says(t, "which of two", err, "holds no such key; it has agent:")
	_, ids, _ := strings.Cut(err.Error(), "it has agent:")
	names := strings.Split("agent:"+ids, ", ")
	signers, err := signer.Set{}.Open(t.Context(), names)
	if err != nil || len(signers) != 2 || signers[0].Key() == signers[1].Key() {
		t.Fatalf("%v: got %v, %v", names, signers, err)
	}
	envelope, err := seal.Sign(seal.RootType, []byte("{}"), signers...)
	if err != nil {
		t.Fatal(err)
	}
	root := seal.Root{Threshold: 2, Keys: []seal.Key{signers[0].Key(), signers[1].Key()}}
	e, err := seal.Open(envelope)
	if err != nil {
		t.Fatal(err)
	}
	if by, err := root.Signers(e); err != nil || len(by) != 2 {
		t.Errorf("signed by %v, %v", by, err)
	}
	run(t, "ssh-add", "-D")
	_, err = signers[0].Sign([]byte("m"))
	says(t, "taken away", err, "it refused")
	_, err = signer.Public(t.Context(), "agent:")
	says(t, "empty", err, "holds no Ed25519 key; make one with ssh-keygen")
}

// TestOnlyKey: a key that is the agent's only one of its kind needs no name.
func TestOnlyKey(t *testing.T) {
	startAgent(t, 1)
	key, err := signer.Public(t.Context(), "agent:")
	if err != nil {
		t.Fatal(err)
	}
	if named, err := signer.Public(t.Context(), "agent:"+key.ID()); err != nil || named != key {
		t.Errorf("got %v, %v", named, err)
	}
}

// TestNoAgent: where no agent is, or one that says nothing, the error says what
// to do, and nobody waits for ever.
func TestNoAgent(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	_, err := signer.Public(t.Context(), "agent:")
	says(t, "not set", err, "SSH_AUTH_SOCK is not set")
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("SSH_AUTH_SOCK", "s")
	_, err = signer.Public(t.Context(), "agent:")
	says(t, "not there", err, "reach the ssh-agent")
	l, err := net.Listen("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			io.ReadFull(conn, make([]byte, 5))
		}
		cancel()
		<-t.Context().Done()
	}()
	_, err = signer.Public(ctx, "agent:")
	says(t, "silent", err, "ask the ssh-agent for its keys")
}

func says(t *testing.T, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

// said is an agent that says what it was going to say.
type said struct{ io.Reader }

func (said) Write(p []byte) (int, error) { return len(p), nil }

// text is a string of the protocol.
func text(s string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// TestHostileAgent: what no agent should say is an error, and costs little.
func TestHostileAgent(t *testing.T) {
	key := strings.Repeat("\x01", 31) + "\x02"
	blob := text("ssh-ed25519") + text(key)
	for _, c := range []struct{ reply, want string }{
		{"", "EOF"},
		{"\x00\x00\x00\x00", "its reply has 0 bytes"},
		{"\xff\xff\xff\xff", "its reply has 4294967295 bytes"},
		{"\x00\x00\x00\x05\x0c\x00", "unexpected EOF"},
		{text("\x05"), "it refused (message 5); is it locked"},
		{text("\x0c\x00\x00"), "is cut off"},
		{text("\x0c\xff\xff\xff\xff"), "is cut off"},
		{text("\x0c\x00\x00\x00\x01" + text(blob)), "is cut off"},
		{text("\x0c\x00\x00\x00\x01\xff\xff\xff\xf0"), "is cut off"},
	} {
		keys, err := signer.Agent{Conn: said{strings.NewReader(c.reply)}}.Keys()
		says(t, "keys", err, c.want)
		if keys != nil {
			t.Errorf("%q: got %v", c.reply, keys)
		}
	}
	keys, err := signer.Agent{Conn: said{strings.NewReader(text("\x0c\x00\x00\x00\x02" + text(text("ssh-rsa")+text("x")) + text("old") + text(blob) + text("mine")))}}.Keys()
	if err != nil || len(keys) != 1 || string(keys[0].Raw()) != key {
		t.Errorf("got %v, %v", keys, err)
	}
	for _, reply := range []string{"\x0e", "\x0e" + text("x"), "\x0e" + text(text("ssh-rsa")+text("sig")), "\x0e" + text(text("ssh-ed25519")+text("sig")) + "x"} {
		_, err := signer.Agent{Conn: said{strings.NewReader(text(reply))}}.Sign(seal.Key{}, nil)
		says(t, "signature", err, "is no Ed25519 signature")
	}
}

// FuzzAgent: an agent may say anything.
func FuzzAgent(f *testing.F) {
	blob := text("ssh-ed25519") + text(strings.Repeat("\x01", 31)+"\x02")
	f.Add([]byte(text("\x0c\x00\x00\x00\x01" + text(blob) + text("mine"))))
	f.Add([]byte(text("\x0e" + text(text("ssh-ed25519")+text(strings.Repeat("s", 64))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := signer.Agent{Conn: said{bytes.NewReader(b)}}.Keys()
		if err == nil && len(keys)*32 > len(b) {
			t.Errorf("%d keys in %d bytes", len(keys), len(b))
		}
		if sig, err := (signer.Agent{Conn: said{bytes.NewReader(b)}}).Sign(seal.Key{}, nil); err == nil && len(sig) > len(b) {
			t.Errorf("a signature of %d bytes in %d", len(sig), len(b))
		}
	})
}

// TestProgram: a program that hangs, says too much or signs something else.
func TestProgram(t *testing.T) {
	private, err := seal.Generate(strings.NewReader(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	put := func(name, content string) {
		if err := os.WriteFile(name, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put("k.pub", string(private.Key().PEM()))
	put("hang", "#!/bin/sh\necho begun >begun\nexec sleep 600\n")
	put("loud", "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x >&2\nexit 1\n")
	open := func(ctx context.Context, line string) seal.Signer {
		signers, err := signer.Set{Public: []string{"k.pub"}}.Open(ctx, []string{line})
		if err != nil {
			t.Fatal(err)
		}
		return signers[0]
	}
	_, err = open(t.Context(), "command:./loud").Sign([]byte("m"))
	says(t, "loud", err, "run ./loud: exit status 1; it said")
	if len(err.Error()) > 5000 {
		t.Errorf("repeats %d bytes", len(err.Error()))
	}
	_, err = open(t.Context(), "command:./none").Sign([]byte("m"))
	says(t, "none", err, "no such file")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := syscall.Mkfifo("begun", 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		os.ReadFile("begun")
		cancel(errors.New("interrupted"))
	}()
	_, err = open(ctx, "command:./hang").Sign([]byte("m"))
	says(t, "stopped", err, "interrupted")
	_, err = signer.Set{Public: []string{"k.pub"}}.Open(t.Context(), []string{"command: "})
	says(t, "no program", err, "names no program")
}
