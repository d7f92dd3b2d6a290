package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"nearside/cmd/nearside/shell"

	"github.com/spf13/cobra"
)

// How `wait` looks: often at first, gently later.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = 500 * time.Millisecond
	oneLook    = 2 * time.Second
)

func waitCmd(g *shell.Globals) *cobra.Command {
	ready, limit := false, 30*time.Second
	c := &cobra.Command{
		Use: "wait", Short: "Wait until the daemon answers, or with --ready until some route can answer", Args: cobra.NoArgs,
		Long: `Wait until the daemon answers at its socket, or with --ready until some route,
local or cloud, can answer an ask. Exit: 0 it does, 1 the time is up (the reason
is printed), 4 nobody ever answered.`,
		Example: `  nearside wait --ready --timeout 1m && nearside ask "Hello"`,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit <= 0 {
				return shell.Usage("--timeout is %v; it must be above 0, such as 30s", limit)
			}
			d, err := g.Daemon()
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			start := time.Now()
			if err := await(c.Context(), d, path, limit); err != nil {
				return err
			}
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"ok": true, "ready": ready, "waited_ms": time.Since(start).Milliseconds()})
			}
			return nil
		},
	}
	c.Flags().BoolVar(&ready, "ready", false, "until some route can answer")
	c.Flags().DurationVar(&limit, "timeout", limit, "how long at most")
	return c
}

// await asks for the path until it answers 200 or the time is up. The error
// then is what stood in the way last.
func await(ctx context.Context, d *shell.Client, path string, limit time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answered, why := false, error(nil)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		spoke, err := look(waiting, d, path)
		answered = answered || spoke
		if err == nil {
			return nil
		}
		if why == nil || waiting.Err() == nil { // a look that the time was up for saw nothing
			why = err
		}
		select {
		case <-time.After(pause):
			continue
		case <-waiting.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		why = fmt.Errorf("not within %v: %w", limit, why)
		if !answered {
			return shell.Absent(why)
		}
		return shell.Failed(why)
	}
}

// look asks once; spoke tells whether somebody answered.
func look(ctx context.Context, d *shell.Client, path string) (spoke bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneLook)
	defer cancel()
	resp, err := d.Do(ctx, http.MethodGet, path, nil, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return false, fmt.Errorf("something listens at %s and does not answer", d.Socket)
	}
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return true, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return true, errors.New(strings.TrimSpace(string(text)))
}
