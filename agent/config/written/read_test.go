package written_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"nearside/agent/config/written"
)

// pipe is a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPipe is read when somebody writes to it, who may come late.
func TestPipe(t *testing.T) {
	path := pipe(t)
	_, _, text := written.DefaultPolicy()
	done := make(chan error, 1)
	go func() { done <- os.WriteFile(path, []byte(text), 0o600) }() // waits for a reader
	if _, digest, err := written.LoadPolicy(path); err != nil || digest == "" {
		t.Errorf("got %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSilentPipe is given up, so that it does not hold up a reload for ever.
func TestSilentPipe(t *testing.T) {
	path := pipe(t)
	synctest.Test(t, func(t *testing.T) {
		_, _, err := written.LoadPolicy(path)
		if err == nil || !strings.Contains(err.Error(), "is a pipe, and nothing comes out of it") {
			t.Errorf("got %v", err)
		}
	})
}
