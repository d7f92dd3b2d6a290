package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The other programs that calls go through. None of them is this one: client,
// proxy, daemon and cloud share no code in the processor's caches.
const (
	proxyProgram = "build/out/proxy"
	cloudProgram = "bin/fakecloud"
)

// proxy starts the bare reverse proxy.
func (l *lab) proxy(ctx context.Context) (*child, error) {
	socket := filepath.Join(l.dir, "p.sock")
	cmd := exec.Command(proxyProgram, socket, l.cloud)
	cmd.Stderr = os.Stderr
	c, _, err := launch(ctx, cmd, socket, "/v1/models")
	return c, err
}

// startCloud starts the fake cloud. It returns its root URL, and what ends it.
func startCloud() (url string, stop func(), err error) {
	cmd := exec.Command(cloudProgram, "--addr", "127.0.0.1:0", "--control", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("start the fake cloud (make build makes it): %w", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if url, err = apiOf(line, err); err != nil {
		stop()
		return "", nil, err
	}
	return url, stop, nil
}

// apiOf reads the root URL from the line in which the fake cloud tells it.
func apiOf(line string, err error) (string, error) {
	name, api, _ := strings.Cut(strings.TrimSpace(line), " ")
	url, ok := strings.CutSuffix(strings.TrimSpace(api), "/v1")
	if err == nil && (name != "api" || !ok) {
		err = fmt.Errorf("it said %q", line)
	}
	if err != nil {
		return "", fmt.Errorf("read the address of the fake cloud: %w", err)
	}
	return url, nil
}
