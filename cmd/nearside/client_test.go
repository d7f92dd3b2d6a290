package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nearside/build/port"
	"nearside/cmd/fakecloud/fake"
)

// TestOpenAIClient has the official Python client ask a daemon with the real
// model: a base URL and any key are all it is given. `make clients` installs it.
func TestOpenAIClient(t *testing.T) {
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 503})
	h := unstarted(t, embedders(first, second))
	addr := h.startOnTCP()
	python := filepath.Join(installed(t, "clients"), "bin", "python")
	checks(t, 11, python, "testdata/openai_client.py", "http://"+addr+"/v1")
	if calls := second.State().Calls[chatPath]; calls > 2 {
		t.Errorf("%d calls to a target that fails, for one ask", calls)
	}
}

// TestNodeClients has the clients that apps in JavaScript use ask a daemon with
// a cloud that works and one that does not.
func TestNodeClients(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	set(t, second, fake.Fault{Kind: fake.Status, Status: 503})
	h := unstarted(t, noLocal, embedders(first, second))
	addr := h.startOnTCP()
	for name, n := range map[string]int{"openai": 9, "langchain": 7, "aisdk": 6} {
		t.Run(name, func(t *testing.T) {
			checks(t, n, "node", "../../build/conformance/"+name+".mjs", "http://"+addr+"/v1", installed(t, "clients-node"))
		})
	}
}

// installed is where make clients put something.
func installed(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "nearside", name)
}

// checks runs a client that prints a line for each of its n checks. No
// proxy stands between it and the daemon.
func checks(t *testing.T, n int, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*", "LANGCHAIN_TRACING_V2=false")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "ok ") != n {
		t.Errorf("client: %v (is it there? make clients)\n%s", err, out)
	}
}

// startOnTCP starts the daemon with a port of its own and waits until it
// answers there.
func (h *house) startOnTCP() (addr string) { return h.startAt("http", http.DefaultClient) }

// startAt does so for the client of another scheme.
func (h *house) startAt(scheme string, client *http.Client) (addr string) {
	h.t.Helper()
	addr, err := port.Address()
	if err != nil {
		h.t.Fatal(err)
	}
	h.cmd = h.command("serve", "--state", filepath.Join(h.dir, "state"), "--http", addr)
	h.cmd.Stdout, h.cmd.Stderr = &h.log, &h.log
	h.ended = make(chan error, 1)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func(cmd *exec.Cmd) { h.ended <- cmd.Wait() }(h.cmd)
	until(h.t, "the daemon answers over TCP", patience, func() bool {
		resp, err := client.Get(scheme + "://" + addr + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return addr
}
