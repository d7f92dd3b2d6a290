package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/agent/server/status"
	"nearside/cmd/fakecloud/fake"
	"nearside/local/sandbox"
)

// TestMain lets this binary be nearside, too: the daemons under test are it.
func TestMain(m *testing.M) {
	sandbox.Enter()
	if filepath.Base(os.Args[0]) == "nearside" {
		main()
		return
	}
	os.Exit(m.Run())
}

const chatPath = "/v1/chat/completions"

// patience is how long a test waits for what should come soon, on a machine that
// has other things to do.
const patience = time.Minute

// house is a daemon in a process of its own, with a folder of its own.
type house struct {
	t      testing.TB
	dir    string // all it writes is in here
	socket string
	http   http.Client
	under  func(*exec.Cmd) // puts each life under a limit; nil is none
	cmd    *exec.Cmd
	log    transcript // what all its lives printed
	ended  chan error // how this life ended
}

// transcript is a buffer for several writers.
type transcript struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *transcript) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *transcript) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newHouse is a daemon with the config, started.
func newHouse(t testing.TB, config ...string) *house {
	t.Helper()
	h := unstarted(t, config...)
	h.start()
	return h
}

// unstarted is a daemon with the config. At the end of the test it is stopped
// and must leave nothing behind.
func unstarted(t testing.TB, config ...string) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, socket: filepath.Join(dir, "s")}
	h.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.socket)
	}}
	t.Cleanup(h.leave)
	h.write("nearside.yaml", strings.Join(config, "\n"))
	return h
}

// write puts a file into the daemon's folder.
func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// command is this very binary as nearside, see TestMain.
func (h *house) command(args ...string) *exec.Cmd {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	env := append(os.Environ(), "TMPDIR="+h.dir, "NEARSIDE_SOCKET="+h.socket, "NEARSIDE_CONFIG="+filepath.Join(h.dir, "nearside.yaml"))
	return &exec.Cmd{
		Path: self, Args: append([]string{"nearside"}, args...),
		Env: append(env, "GORACE=atexit_sleep_ms=20"), // a second is its default
	}
}

// start begins a life and returns when the daemon listens.
func (h *house) start() {
	h.t.Helper()
	cmd := h.command("serve", "--state", filepath.Join(h.dir, "state"), "--http", "")
	if h.under != nil {
		h.under(cmd)
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &h.log
	}
	out, in := io.Pipe()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.cmd, h.ended = cmd, make(chan error, 1)
	go func() {
		h.ended <- cmd.Wait()
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), h.socket) {
	}
	go io.Copy(&h.log, out) // until the process ends
	if lines.Text() == "" {
		h.t.Fatalf("the daemon did not start: %s", &h.log)
	}
}

// stop ends the life as an operator does; it must end well.
func (h *house) stop() {
	h.t.Helper()
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-h.ended:
		if err != nil {
			h.t.Errorf("the daemon ended with %v: %s", err, &h.log)
		}
	case <-time.After(patience):
		_ = h.cmd.Process.Kill()
		h.t.Errorf("the daemon did not end (%v): %s", <-h.ended, &h.log)
	}
	h.cmd = nil
}

// kill ends the life as a power cut does.
func (h *house) kill() {
	h.t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		h.t.Fatal(err)
	}
	<-h.ended
	h.cmd = nil
}

// leave stops the daemon, looks for orphans and removes the folder.
func (h *house) leave() {
	h.stop()
	h.http.CloseIdleConnections()
	if left := processes(h.t, h.dir); len(left) > 0 {
		h.t.Errorf("left behind: %v", left)
	}
	if strings.Contains(h.log.String(), "DATA RACE") {
		h.t.Errorf("a race: %s", &h.log)
	}
	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Error(err)
	}
}

// processes lists those alive that have the text on their command line.
func processes(t testing.TB, text string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range lines {
		if line, _ := os.ReadFile(name); bytes.Contains(line, []byte(text)) { // of the dead it is empty
			found = append(found, name)
		}
	}
	return found
}

// until returns when ok, which the test says as what, has come true.
func until(t testing.TB, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	end := time.After(limit)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// get reads a document of the daemon.
func (h *house) get(path string) []byte {
	h.t.Helper()
	resp, err := h.http.Get("http://localhost" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *house) status() status.Status {
	h.t.Helper()
	var s status.Status
	if err := json.Unmarshal(h.get("/v1/status"), &s); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// storeOpens waits until what is kept can be read.
func (h *house) storeOpens() {
	h.t.Helper()
	until(h.t, "the store is open", patience, func() bool { return h.status().Store.Queue.State != "opening" })
}

// target is one target as the status shows it.
func (h *house) target(name string) status.Target {
	h.t.Helper()
	for _, t := range h.status().Targets {
		if t.Name == name {
			return t
		}
	}
	h.t.Fatalf("no target %s in the status", name)
	return status.Target{}
}

// newCloud is a fake cloud that listens.
func newCloud(t testing.TB, o fake.Options) *fake.Server {
	t.Helper()
	s := fake.New(o)
	t.Cleanup(s.Close)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return s
}

// set puts a fault in force.
func set(t testing.TB, s *fake.Server, f fake.Fault) {
	t.Helper()
	if err := s.Set(f); err != nil {
		t.Fatal(err)
	}
}

const noLocal = "local: {disabled: true}"

// clouds is the config's section for the fakes: cloud/first, cloud/second.
func clouds(servers ...*fake.Server) string {
	text := "cloud:\n  targets:\n"
	for i, s := range servers {
		text += target([]string{"first", "second"}[i], s)
	}
	return text
}

func target(name string, s *fake.Server) string {
	return fmt.Sprintf("    - {name: %s, kind: openai, base_url: %q, models: {chat: fake-model}}\n", name, s.URL()+"/v1")
}
