package main

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

// manager is a service manager that hears what the daemon says.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, "listen as a service manager", err)
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// hears waits for a message that begins so.
func (m *manager) hears(want string) string {
	m.t.Helper()
	buf := make([]byte, 4096)
	must(m.t, "set a limit", m.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		n, err := m.conn.Read(buf)
		must(m.t, "hear "+want, err)
		if text := string(buf[:n]); strings.HasPrefix(text, want) {
			return text
		}
	}
}

// TestServiceManager has the daemon run as a service manager runs it.
func TestServiceManager(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	h := newHouse(t, noLocal)
	tells(t, m.hears("READY=1"), "MAINPID=")
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	must(t, "send a hangup", h.cmd.Process.Signal(syscall.SIGHUP))
	tells(t, m.hears("RELOADING=1"), "MONOTONIC_USEC=")
	m.hears("READY=1")
	must(t, "end it", h.cmd.Process.Signal(syscall.SIGTERM))
	m.hears("STOPPING=1")
	h.stop()
}

// TestPatientHealth has a target be away for a while: then it is a condition.
func TestPatientHealth(t *testing.T) {
	t.Parallel()
	first, second := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(first, second))
	set(t, first, fake.Fault{Kind: fake.Status, Status: 429, RetryAfterS: 60})
	if r := h.ask(inCloud("Are you there?")); r.target() != "cloud/second" {
		t.Fatalf("got %v, want an answer of cloud/second", r)
	}
	until(t, "the target is a condition", patience, func() bool {
		c, ok := h.finds("target", "cloud/first: it asked for fewer calls")
		return ok && c.Severity == "warn" && c.Hint != ""
	})
}
