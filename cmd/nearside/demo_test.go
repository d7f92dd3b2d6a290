package main_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo takes the tour, which checks itself, with a network namespace where
// the kernel permits one and without.
func TestDemo(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-tags", "sqlite_omit_load_extension,osusergo,netgo", "-o", bin, "./cmd/nearside", "./cmd/fakecloud")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Run("namespace", func(t *testing.T) { takeTour(t, bin, os.Getenv("PATH")) })
	t.Run("no namespace", func(t *testing.T) {
		forbidden := t.TempDir()
		if err := os.WriteFile(filepath.Join(forbidden, "unshare"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		takeTour(t, bin, forbidden+":"+os.Getenv("PATH"))
	})
}

// takeTour runs the demo in a folder of its own and checks that it leaves no
// process and no file behind.
func takeTour(t *testing.T, bin, path string) {
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	demo := exec.CommandContext(ctx, "../../build/demo/demo.sh")
	demo.Env = append(os.Environ(), "TMPDIR="+dir, "NEARSIDE_BIN="+bin, "PATH="+path)
	demo.Cancel = func() error { return demo.Process.Signal(syscall.SIGTERM) }
	demo.WaitDelay = 15 * time.Second
	out, err := demo.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "as promised") {
		t.Errorf("%v\n%s", err, out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
	for _, pid := range processesOf(t, dir) {
		t.Errorf("process %s is left", pid)
	}
}

// processesOf lists the processes that name dir in their command line or
// environment.
func processesOf(t *testing.T, dir string) (pids []string) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("list processes: %d, %v", len(files), err)
	}
	for _, file := range files {
		command, _ := os.ReadFile(file) // gone, or another user's
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
		if bytes.Contains(append(command, environ...), []byte(dir)) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
