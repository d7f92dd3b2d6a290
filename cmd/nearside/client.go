package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"nearside/agent/config"
)

// client talks to the daemon at a socket.
type client struct {
	socket string
	http   http.Client
}

// daemon finds the daemon's socket: the flag, the environment, the config.
func (g *globals) daemon() (*client, error) {
	socket := g.socket
	if socket == "" {
		socket = os.Getenv("NEARSIDE_SOCKET")
	}
	if socket == "" {
		cfg, err := g.load()
		if err != nil {
			return nil, err
		}
		socket = cfg.Listen.Socket
	}
	return socketClient(socket), nil
}

func socketClient(socket string) *client {
	var dial net.Dialer
	return &client{socket: socket, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "unix", socket) },
	}}}
}

// load reads the config that is in force for this command line.
func (g *globals) load() (*config.Config, error) {
	path, ok, err := config.Find(g.config)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if !ok {
		return config.Default(), nil
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return cfg, nil
}

// do sends a request; body is JSON or nil. What the daemon refuses comes back
// as a reply too: see [failure].
func (d *client) do(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.http.Do(req)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &exitError{exitAbsent, fmt.Errorf("no daemon answers at %s; start one with: nearside serve", d.socket)}
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("you may not use %s; join the group that owns it, or name another with --socket", d.socket)
	}
	return resp, err
}

// post sends an ask to the daemon of this command line; the reply is a 200 and
// belongs to the caller.
func (g *globals) post(ctx context.Context, path string, body []byte, header http.Header) (*http.Response, error) {
	d, err := g.daemon()
	if err != nil {
		return nil, err
	}
	resp, err := d.do(ctx, http.MethodPost, path, body, header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, failure(resp)
	}
	return resp, nil
}

// get reads a JSON document of the daemon into v.
func (d *client) get(ctx context.Context, path string, v any) error {
	resp, err := d.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failure(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// failure is the error a reply stands for, with its exit code.
func failure(resp *http.Response) error {
	var wire struct {
		Error struct{ Message, Type, Param string }
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &wire) != nil || wire.Error.Message == "" {
		wire.Error.Message = fmt.Sprintf("the daemon answered %s", resp.Status)
	}
	err := errors.New(wire.Error.Message)
	switch {
	case wire.Error.Type == "policy_blocked":
		return &exitError{exitRefused, err}
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return &exitError{exitUsage, err}
	}
	return err
}
