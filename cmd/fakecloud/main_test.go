package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestServesUntilStopped starts the command, breaks and mends it, stops it.
func TestServesUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	var stderr strings.Builder
	var ended sync.WaitGroup
	ended.Go(func() {
		args := []string{"--addr", "127.0.0.1:0", "--control", "127.0.0.1:0", "--name", "blue", "--fault", `{"kind":"html"}`}
		if err := command(stdout, &stderr, args).ExecuteContext(ctx); err != nil {
			t.Error(err)
		}
		stdout.Close()
	})
	lines := bufio.NewScanner(out)
	urls := map[string]string{}
	for len(urls) < 2 && lines.Scan() {
		name, url, _ := strings.Cut(lines.Text(), " ")
		urls[name] = strings.TrimSpace(url)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	f := func(method, url, part string) {
		t.Helper()
		if got := fetch(t, client, method, url); !strings.Contains(got, part) {
			t.Errorf("%s %s: got %s, want %s", method, url, got, part)
		}
	}
	f("GET", urls["api"]+"/models", "Sign in")
	f("DELETE", urls["control"]+"fault", `"none"`)
	f("GET", urls["api"]+"/models", `"fake-model"`)
	stop()
	ended.Wait()
	if got := stderr.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `blue: fault {"kind":"html"}`) {
		t.Errorf("got stderr %q, want a line for each of two switches", got)
	}
}

func fetch(t *testing.T, client *http.Client, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--fault", "earthquake"},
		{"--addr", "nowhere"},
		{"--control", "nowhere"},
		{"--colour", "red"},
		{"extra"},
	} {
		var stderr strings.Builder
		if err := command(io.Discard, &stderr, args).ExecuteContext(t.Context()); err == nil || !strings.HasPrefix(stderr.String(), "Error: ") {
			t.Errorf("%v: got %v and %q, want an error that is told", args, err, stderr.String())
		}
	}
}

func TestHelp(t *testing.T) {
	var stdout strings.Builder
	if err := command(&stdout, io.Discard, []string{"--help"}).ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hang_stream", "Examples:", "/_fake/fault", "--control"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("help lacks %q", want)
		}
	}
}
