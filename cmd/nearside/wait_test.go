package main

import (
	"net"
	"strings"
	"testing"

	"nearside/cmd/fakecloud/fake"
	"nearside/cmd/nearside/shell"
)

func TestWait(t *testing.T) {
	t.Parallel()
	h := unstarted(t, noLocal)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"wait", "--timeout", "1s"}, shell.ExitAbsent, "no daemon answers"},
		{[]string{"wait", "--timeout", "0s"}, shell.ExitUsage, "above 0"},
		{[]string{"wait", "--timeout", "soon"}, shell.ExitUsage, "timeout"},
	} {
		if out, bad, code := h.run(c.args...); code != c.code || out != "" || !strings.Contains(bad, c.says) {
			t.Errorf("%v: got exit %d and %q, want %d and %q", c.args, code, bad, c.code, c.says)
		}
	}
	first := newCloud(t, fake.Options{})
	ended := make(chan int)
	go func() {
		_, _, code := h.run("wait", "--ready", "--timeout", "1m")
		ended <- code
	}()
	h.start()
	if _, bad, code := h.run("wait"); code != 0 {
		t.Errorf("of a daemon that runs: got exit %d and %q", code, bad)
	}
	if _, bad, code := h.run("wait", "--ready", "--timeout", "2s"); code != shell.ExitFailed || !strings.Contains(bad, "nothing can answer") {
		t.Errorf("without any target: got exit %d and %q, want %d and the reason", code, bad, shell.ExitFailed)
	}
	h.write("nearside.yaml", noLocal+"\n"+clouds(first))
	h.reload()
	if code := <-ended; code != 0 {
		t.Errorf("got exit %d from one who waited from before the start, want 0", code)
	}
	if out, _, _ := h.run("wait", "--ready", "--json"); !strings.Contains(out, `"ok":true`) {
		t.Errorf("got %q as JSON", out)
	}
}

// TestWaitForTheDeaf waits for something that takes calls and says nothing.
func TestWaitForTheDeaf(t *testing.T) {
	t.Parallel()
	h := unstarted(t, noLocal)
	l, err := net.Listen("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, bad, code := h.run("wait", "--timeout", "300ms"); code != shell.ExitAbsent || !strings.Contains(bad, "does not answer") {
		t.Errorf("got exit %d and %q, want %d", code, bad, shell.ExitAbsent)
	}
}
