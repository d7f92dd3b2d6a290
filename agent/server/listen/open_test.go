package listen_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/agent/server/listen"
)

// TestSocketFolder has the folder of the socket made, and those refused in which
// others could replace it.
func TestSocketFolder(t *testing.T) {
	temp, err := os.MkdirTemp("", "ns") // short, since socket paths are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	t.Setenv("TMPDIR", filepath.Join(temp, "tmp"))
	f := func(name string, mode os.FileMode, refused string) {
		t.Helper()
		dir := filepath.Join(temp, name)
		made, err := listen.Open(listen.Options{Socket: filepath.Join(dir, "s")})
		for _, l := range made {
			l.Close()
		}
		if refused == "" != (err == nil) || err != nil && (!strings.Contains(err.Error(), refused) || !strings.Contains(err.Error(), "--socket")) {
			t.Errorf("%s: got error %v, want %q", name, err, refused)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode()&(os.ModePerm|os.ModeSticky) != mode {
			t.Errorf("%s: got %v, %v, want mode %v", name, info.Mode(), err, mode)
		}
	}
	there := func(name string, mode os.FileMode) string {
		t.Helper()
		dir := filepath.Join(temp, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	f("made/below", 0o750, "")
	f("tmp/made", 0o700, "")
	f("tmp", 0o700, "")
	there("open", 0o777)
	f("open", 0o777, "everybody may write")
	there("sticky", 0o777|os.ModeSticky)
	f("sticky", 0o777|os.ModeSticky, "")
	there("group", 0o770)
	f("group", 0o770, "")
	if os.Geteuid() == 0 { // only root can give a folder away
		if err := os.Chown(there("foreign", 0o700), 12345, -1); err != nil {
			t.Fatal(err)
		}
		f("foreign", 0o700, "belongs to user 12345")
	}
}

// TestListenAtOnce has many take the place of a dead daemon's socket: one gets
// it, and it is not removed by the others.
func TestListenAtOnce(t *testing.T) {
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for round := range 100 {
		socket := filepath.Join(dir, fmt.Sprint(round))
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		dead.Close()
		var took atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				made, err := listen.Open(listen.Options{Socket: socket})
				if err == nil {
					took.Add(1)
					t.Cleanup(func() { made[0].Close() })
				} else if !strings.Contains(err.Error(), "another daemon already answers") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if conn, err := net.Dial("unix", socket); err != nil || took.Load() != 1 {
			t.Fatalf("round %d: %d took the socket, want one; connect: %v", round, took.Load(), err)
		} else {
			conn.Close()
		}
	}
}
