package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearside/cmd/fakecloud/fake"
)

// TestStartedAtOnce starts daemons at one moment, where a killed one left its
// socket: one of them serves, the others say why not.
func TestStartedAtOnce(t *testing.T) {
	const rounds, crowd = 2, 4
	for range rounds {
		h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})))
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		h.onlyOne(t, crowd)
	}
}

// onlyOne starts so many daemons that share socket and state.
func (h *house) onlyOne(t *testing.T, crowd int) {
	t.Helper()
	ended := make(chan error, crowd)
	var all []*exec.Cmd
	var said transcript
	for range crowd {
		cmd := h.command("serve", "--state", filepath.Join(h.dir, "state"), "--http", "")
		cmd.Stderr = &said
		all = append(all, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	var waiting sync.WaitGroup
	for _, cmd := range all {
		waiting.Go(func() { ended <- cmd.Wait() })
	}
	for range crowd - 1 {
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "exit status 1") {
			t.Errorf("one ended with %v, want exit status 1", err)
		}
	}
	if r := h.ask(ask{text: "Who is there?"}); r.route() != "cloud" {
		t.Errorf("got %v", r)
	}
	if n := strings.Count(said.String(), "another daemon"); n != crowd-1 {
		t.Errorf("%d of %d say why they end:\n%s", n, crowd-1, &said)
	}
	for _, cmd := range all {
		_ = cmd.Process.Signal(syscall.SIGTERM) // those that ended do not mind
	}
	waiting.Wait()
	if err := <-ended; err != nil {
		t.Errorf("the one that served ended with %v", err)
	}
}
