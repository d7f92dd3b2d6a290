package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// puppet is a house in which the test itself answers.
func puppet(t *testing.T, answer http.HandlerFunc) *house {
	t.Helper()
	h := unstarted(t)
	l, err := net.Listen("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return h
}

// say writes events and sends them off.
func say(w http.ResponseWriter, events ...string) {
	for _, e := range events {
		_, _ = io.WriteString(w, e+"\n\n")
	}
	_ = http.NewResponseController(w).Flush()
}

const word = `data: {"choices":[{"delta":{"content":"Paris"}}]}`

// TestNoteOfPending: who answered is told at the end when the headers came
// before the answer.
func TestNoteOfPending(t *testing.T) {
	h := puppet(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-nearside-route", "pending")
		say(w, ": waiting for an answer", word, ": nearside route=local target=local/small reason=local_first", "data: [DONE]")
	})
	cmd := h.command("ask", "Where?")
	var notes strings.Builder
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil || string(out) != "Paris\n" || !regexp.MustCompile(`^local/small · local_first · [0-9.]+m?s\n$`).MatchString(notes.String()) {
		t.Errorf("got %q, %q, %v", out, &notes, err)
	}
}

// TestInterrupted ends a command as Ctrl-C does, wherever it waits: it says so
// in one line.
func TestInterrupted(t *testing.T) {
	asked := make(chan struct{})
	h := puppet(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == chatPath {
			say(w, word)
		}
		asked <- struct{}{}
		<-r.Context().Done()
	})
	f := func(want string, waits func(stdin io.Writer, out *transcript), args ...string) {
		t.Helper()
		cmd := h.command(args...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out, notes transcript
		cmd.Stdout, cmd.Stderr = &out, &notes
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waits(stdin, &out)
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() != 130 || out.String() != want || notes.String() != "nearside: interrupted\n" {
			t.Errorf("%v: got %v, %q, %q", args, cmd.ProcessState, &out, &notes)
		}
	}
	f("Paris\n", func(_ io.Writer, out *transcript) {
		<-asked
		until(t, "the first word is printed", patience, func() bool { return out.String() != "" })
	}, "ask", "Where?")
	f("", func(io.Writer, *transcript) { <-asked }, "status")
	f("", func(stdin io.Writer, _ *transcript) {
		// More than a pipe takes: it is written when the command reads.
		if _, err := io.WriteString(stdin, strings.Repeat("where? ", 50_000)); err != nil {
			t.Error(err)
		}
	}, "ask")
}
