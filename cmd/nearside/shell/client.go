package shell

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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nearside/agent/server/steering"
)

// Client talks to the daemon at a socket.
type Client struct {
	Socket string
	http   http.Client
}

// Daemon finds the daemon's socket: the flag, the environment, the config. It
// calls nobody yet.
func (g *Globals) Daemon() (*Client, error) {
	socket := g.Socket
	if socket == "" {
		socket = os.Getenv("NEARSIDE_SOCKET")
	}
	if socket == "" {
		cfg, err := g.Load()
		if err != nil {
			return nil, err
		}
		socket = cfg.Listen.Socket
	}
	return NewClient(socket), nil
}

// NewClient talks to the daemon at the socket.
func NewClient(socket string) *Client {
	var dial net.Dialer
	return &Client{Socket: socket, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "unix", socket) },
	}}}
}

// Do sends a request; body is JSON or nil. What the daemon refuses comes back
// as a reply too: see [Failure]. Where no daemon is, the error is [Absent].
func (d *Client) Do(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
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
		return nil, Absent(fmt.Errorf("no daemon answers at %s; start one with: nearside serve", d.Socket))
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("you may not use %s; join the group that owns it, or name another with --socket", d.Socket)
	}
	return resp, err
}

// Post sends an ask to the daemon of this command line; the reply is a 200 and
// belongs to the caller.
func (g *Globals) Post(ctx context.Context, path string, body []byte, header http.Header) (*http.Response, error) {
	d, err := g.Daemon()
	if err != nil {
		return nil, err
	}
	resp, err := d.Do(ctx, http.MethodPost, path, body, header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, Failure(resp)
	}
	return resp, nil
}

// Show sends an ask to the daemon of this command line. With --json the reply is
// printed as it came, else it is for tell.
func (g *Globals) Show(c *cobra.Command, path string, body []byte, header http.Header, tell func(io.Reader) error) error {
	resp, err := g.Post(c.Context(), path, body, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if g.JSON {
		_, err := io.Copy(c.OutOrStdout(), resp.Body)
		return err
	}
	return tell(resp.Body)
}

// Get reads a JSON document of the daemon into v.
func (d *Client) Get(ctx context.Context, path string, v any) error {
	resp, err := d.Do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Failure(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// inCommands says of a message what it means at a command line: flags for
// headers, and commands for the routes that tell more, of a decision where there
// is one.
func inCommands(message, decision string) string {
	words := []string{
		"x-nearside-mode", "--mode", "x-nearside-deadline-ms", "--deadline", "x-nearside-max-cost", "--max-cost", "/v1/status", "nearside status",
	}
	if decision != "" {
		command := "nearside explain --decision " + decision
		words = append(words, "/v1/decisions/{id} or POST /v1/explain", command, "/v1/decisions/{id}", command)
	}
	return strings.NewReplacer(words...).Replace(message)
}

// Failure is the error a reply stands for, with its exit code.
func Failure(resp *http.Response) error {
	var wire struct {
		Error struct{ Message, Type, Param string }
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &wire) != nil || wire.Error.Message == "" {
		wire.Error.Message = fmt.Sprintf("the daemon answered %s", resp.Status)
	}
	err := errors.New(inCommands(wire.Error.Message, resp.Header.Get("X-Nearside-Decision")))
	switch {
	case wire.Error.Type == "policy_blocked", wire.Error.Type == steering.Kept:
		return Refused(err)
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return BadInput(err)
	}
	return err
}
