package main

import (
	"net"
	"os"
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
	until(t, "the one that is left answers", patience, func() bool {
		resp, err := h.http.Get("http://localhost/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
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

// TestStateRemoved removes the state folder under a daemon: it answers on, near
// and far, says what is lost, and the next one makes the folder anew.
func TestStateRemoved(t *testing.T) {
	h := unstarted(t, clouds(newCloud(t, fake.Options{})))
	state := filepath.Join(h.dir, "state")
	h.start()
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a missing folder: got %v, %v, want it made with 0700", info, err)
	}
	h.answers(t)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	h.answers(t)
	h.killEngine() // its next life needs the folder
	h.answers(t)
	if r := h.ask(inCloud("Are you there?")); r.route() != "cloud" {
		t.Errorf("got %v", r)
	}
	c := h.condition("state_folder")
	tells(t, c.Message, state, "was removed")
	tells(t, c.Hint, "start the daemon again")
	h.stop()
	h.start()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Queue.State == "ok" })
	if s := h.status(); len(s.Health) > 0 {
		t.Errorf("got health %+v, want all well", s.Health)
	}
}
