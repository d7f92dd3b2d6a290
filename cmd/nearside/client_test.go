package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// TestOpenAIClient has the official Python client ask a daemon with the real
// model: a base URL and any key are all it is given. `make clients` installs it.
func TestOpenAIClient(t *testing.T) {
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 503})
	h := unstarted(t, clouds(first, second))
	addr := h.startOnTCP()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(cache, "nearside", "clients", "bin", "python")
	cmd := exec.CommandContext(t.Context(), python, "testdata/openai_client.py", "http://"+addr+"/v1")
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "ok ") != 10 {
		t.Errorf("client: %v (is it there? make clients)\n%s", err, out)
	}
	if calls := second.State().Calls[chatPath]; calls > 2 {
		t.Errorf("%d calls to a target that fails, for one ask", calls)
	}
}

// startOnTCP starts the daemon with a port of its own and waits until it
// answers there.
func (h *house) startOnTCP() (addr string) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	h.cmd = h.command("serve", "--state", filepath.Join(h.dir, "state"), "--http", addr)
	h.cmd.Stdout, h.cmd.Stderr = &h.log, &h.log
	h.ended = make(chan error, 1)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func(cmd *exec.Cmd) { h.ended <- cmd.Wait() }(h.cmd)
	until(h.t, "the daemon answers over TCP", patience, func() bool {
		resp, err := http.Get("http://" + addr + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return addr
}
