package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nearside/cmd/fakecloud/fake"
)

// onDisk is a daemon, not started, whose state folder is a disk of 3 MiB.
func onDisk(t *testing.T) (h *house, state string) {
	t.Helper()
	h = unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})))
	state = filepath.Join(h.dir, "state")
	must(t, "make the state folder", os.Mkdir(state, 0o700))
	must(t, "mount a disk", unix.Mount("disk", state, "tmpfs", 0, "size=3m,mode=700"))
	t.Cleanup(func() { _ = unix.Unmount(state, unix.MNT_DETACH) })
	return h, state
}

// fillUp leaves no room on the disk and returns the file that took it.
func fillUp(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	must(t, "make the ballast", err)
	defer f.Close()
	for block := bytes.Repeat([]byte("x"), 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return ballast
}

// answersAll checks that the cloud answers questions not asked before.
func (h *house) answersAll(t *testing.T, about string, n int) {
	t.Helper()
	for i := range n {
		if r := h.ask(inCloud(fmt.Sprint(about, " ", i)).with("temperature", 0)); r.route() != "cloud" {
			t.Fatalf("%s, ask %d: got %v", about, i, r)
		}
	}
}

// TestDiskFills fills the disk under a daemon: it answers on, the newest
// decisions take the place of the oldest, and a start with room mends all.
func TestDiskFills(t *testing.T) {
	if !isolated(t) {
		return
	}
	h, state := onDisk(t)
	h.start()
	h.answersAll(t, "room", 20)
	ballast := fillUp(t, state)
	h.answersAll(t, "full", 300)
	until(t, "the store knows", patience, func() bool { return h.status().Store.Queue.State == "full" })
	tells(t, h.condition("store_full").Hint, "free space")
	h.stop()
	h.start() // with as little room
	h.answersAll(t, "still full", 20)
	h.stop()
	must(t, "free space", os.Remove(ballast))
	h.start()
	until(t, "the store is well", patience, func() bool { s := h.status().Store; return s.Queue.State == "ok" && s.Cache.State == "ok" })
	if s := h.status().Store; s.Queue.Rows == 0 {
		t.Errorf("got %+v, want decisions of the lives before", s)
	}
	keep := inCloud("now there is room").with("temperature", 0)
	h.kept(t, keep)
}

// TestDiskFull starts on a disk without any room: nothing is remembered.
func TestDiskFull(t *testing.T) {
	if !isolated(t) {
		return
	}
	h, state := onDisk(t)
	fillUp(t, state)
	h.start()
	h.answersAll(t, "full", 20)
	c := h.condition("store")
	tells(t, c.Message, "nothing is remembered", "disk is full")
	tells(t, c.Hint, "free space", state, "--state")
}

// TestStateReadOnly starts on a disk that takes no writes, with what an earlier
// life wrote: nothing is remembered, nothing is changed, answers go on.
func TestStateReadOnly(t *testing.T) {
	if !isolated(t) {
		return
	}
	h, state := onDisk(t)
	h.start()
	h.kept(t, inCloud("before").with("temperature", 0))
	h.stop()
	must(t, "make the disk read-only", unix.Mount("", state, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	h.start()
	until(t, "the store gives up", patience, func() bool { return h.status().Store.Cache.State == "memory" })
	h.answersAll(t, "read-only", 20)
	if r := h.ask(inCloud("read-only 19").with("temperature", 0)); r.route() != "cache" {
		t.Errorf("got %v, want what is kept in memory", r)
	}
	c := h.condition("store")
	tells(t, c.Message, "nothing is remembered", "read-only")
	tells(t, c.Hint, "--state")
	h.stop()
	must(t, "make the disk writable", unix.Mount("", state, "", unix.MS_REMOUNT, ""))
	h.start()
	until(t, "the store is open", patience, func() bool { return h.status().Store.Cache.State == "ok" })
	if r := h.ask(inCloud("before").with("temperature", 0)); r.route() != "cache" {
		t.Errorf("got %v, want what was kept before", r)
	}
}
