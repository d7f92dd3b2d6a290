package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/doctor"
	"nearside/cmd/nearside/shell"
)

// diagnosis runs doctor for the daemon and returns what it finds to be ill.
func (h *house) diagnosis(args ...string) (ill []doctor.Finding, code int) {
	h.t.Helper()
	out, bad, code := h.run(append([]string{"doctor", "--json", "--http", "", "--state", filepath.Join(h.dir, "state")}, args...)...)
	var all struct {
		OK       bool
		Findings []doctor.Finding
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || all.OK != (code == 0) || len(all.Findings) < 3 {
		h.t.Fatalf("doctor: exit %d, %v: %s%s", code, err, out, bad)
	}
	return slices.DeleteFunc(all.Findings, func(f doctor.Finding) bool {
		return f.Verdict == doctor.OK || f.Check == "daemon" && h.cmd == nil || f.Check == "daemon.sandbox" // as the machine allows
	}), code
}

// fails checks that doctor finds one thing to have failed, and what it says.
func (h *house) fails(check string, says ...string) {
	h.t.Helper()
	ill, code := h.diagnosis()
	if len(ill) != 1 || ill[0].Check != check || ill[0].Verdict != doctor.Fail || code != shell.ExitFailed {
		h.t.Fatalf("got exit %d and %+v, want a failure of %s", code, ill, check)
	}
	tells(h.t, ill[0].Message+" / "+ill[0].Hint, says...)
}

// TestDoctor examines a set-up that is well, with the real engine: before the
// daemon runs and while it does.
func TestDoctor(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{Key: "sesame"})
	h := unstarted(t)
	h.write("key", "sesame")
	keyed := strings.Replace(target("first", cloud), "{name", fmt.Sprintf("{key: {file: %q}, name", filepath.Join(h.dir, "key")), 1)
	h.write("nearside.yaml", "cloud:\n  targets:\n"+keyed)
	if ill, code := h.diagnosis(); code != 0 || len(ill) != 0 {
		t.Errorf("without a daemon: exit %d and %+v", code, ill)
	}
	h.start()
	until(t, "doctor finds nothing", patience, func() bool {
		ill, code := h.diagnosis()
		return code == 0 && len(ill) == 0
	})
	h.write("key", "wrong")
	h.fails("target", "cloud/first", "refuses the key", "key", "config reload")
	out, bad, code := h.run("doctor", "--offline", "--http", "")
	if code != 0 || !strings.Contains(out, "not asked: --offline") || bad != "" || strings.Contains(out, "wrong") {
		t.Errorf("--offline: exit %d, %s%s", code, out, bad)
	}
	h.write("nearside.yaml", "nonsense: 1")
	if ill, code := h.diagnosis(); code != shell.ExitFailed || ill[0].Check != "config" || !strings.Contains(ill[0].Message, "nearside.yaml:1:1") {
		t.Errorf("of a bad config: exit %d and %+v", code, ill)
	}
}

// TestDoctorOfTheDisk fills the disk and forbids to write to it.
func TestDoctorOfTheDisk(t *testing.T) {
	if !isolated(t) {
		return
	}
	h := unstarted(t, noLocal)
	state := filepath.Join(h.dir, "state")
	must(t, "make the state folder", os.Mkdir(state, 0o700))
	must(t, "mount a small disk", unix.Mount("none", state, "tmpfs", 0, "size=1m,mode=0700"))
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	h.fails("disk", state, "is full", "free space")
	must(t, "grow the disk", unix.Mount("none", state, "tmpfs", unix.MS_REMOUNT, "size=128m,nr_inodes=8"))
	h.fails("disk", "no room for another file", "inodes")
	must(t, "forbid writes", unix.Mount("none", state, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=128m,nr_inodes=1000"))
	h.fails("state", state, "cannot be written", "read-only", "set state")
}

// TestDoctorOfTheNetwork takes the name server and then the link away.
func TestDoctorOfTheNetwork(t *testing.T) {
	if !isolated(t) {
		return
	}
	f := newFar(t)
	cable(t, f)
	resolver(t, "nameserver "+farIP+"\noptions timeout:1 attempts:1\n")
	h := unstarted(t, noLocal, `cloud: {targets: [{name: far, kind: openai, base_url: "https://cloud.test/v1", models: {chat: m}}]}`)
	ill, code := h.diagnosis()
	if len(ill) != 2 || ill[0].Check != "dns" || ill[1].Check != "target" || code != shell.ExitFailed {
		t.Fatalf("got exit %d and %+v, want dns and what follows from it", code, ill)
	}
	tells(t, ill[0].Message+" / "+ill[0].Hint, "cloud.test", "no name server", farIP, "/etc/resolv.conf")
	ip(t, "link", "set", nearEnd, "down")
	ill, code = h.diagnosis()
	if len(ill) != 1 || ill[0].Check != "network" || ill[0].Verdict != doctor.Warn || code != 0 {
		t.Fatalf("got exit %d and %+v, want a warning of the network", code, ill)
	}
	tells(t, ill[0].Message+" / "+ill[0].Hint, "no link is up", "connect a network")
}

// TestDoctorOfAStranger runs doctor as one to whom the daemon tells nothing.
func TestDoctorOfAStranger(t *testing.T) {
	t.Parallel()
	h := unstarted(t, noLocal)
	l, err := net.Listen("unix", h.socket)
	must(t, "listen in the daemon's place", err)
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":{"message":"app may not use control routes","type":"permission_error"}}`))
	})}
	go func() { _ = daemon.Serve(l) }()
	t.Cleanup(func() { daemon.Close() })
	out, bad, code := h.run("doctor", "--http", "", "--state", filepath.Join(h.dir, "state"))
	if code != 0 {
		t.Errorf("got exit %d: %s%s", code, out, bad)
	}
	tells(t, out, "warn  daemon", "does not tell how it is: app may not", "a user who may")
}
