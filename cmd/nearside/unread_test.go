package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nearside/cmd/fakecloud/fake"
)

// TestNobodyReadsTheLog: a log whose reader is stuck holds up neither asks nor the end.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	h := unstarted(t, noLocal, clouds(newCloud(t, fake.Options{})), "log: {level: debug}")
	h.under = func(cmd *exec.Cmd) { cmd.Stderr = writer }
	h.start()
	writer.Close()
	for i := range 100 { // some 20 KB of lines
		if got := h.ask(ask{text: fmt.Sprint("question ", i)}); got.status != 200 {
			t.Fatalf("ask %d: %v", i, got)
		}
	}
	h.stop()
	text, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(text), "msg=request") {
		t.Errorf("what was written is %.200q, %v", text, err)
	}
}
