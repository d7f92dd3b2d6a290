package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/server/control"
	"nearside/cmd/nearside/shell"
)

// logFlags say which records are wanted.
type logFlags struct {
	follow bool
	level  string
	since  string
}

func logsCmd(g *shell.Globals) *cobra.Command {
	f := &logFlags{}
	c := &cobra.Command{
		Use: "logs", Short: "Show the running daemon's latest log records", Args: cobra.NoArgs,
		Long: `Show the latest log records of the running daemon, from its memory: at most
1000, since it started. With -f go on with what comes, until interrupted or the daemon ends.`,
		Example: `  nearside logs --since 10m --level warn
  nearside logs -f
  nearside logs level debug`,
		RunE: func(c *cobra.Command, _ []string) error { return showLogs(c, g, f) },
	}
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with what comes")
	c.Flags().StringVar(&f.level, "level", "", "only this `LEVEL` and above: debug, info, warn, error")
	c.Flags().StringVar(&f.since, "since", "", "only what is younger: a `TIME` as 2026-01-31T12:00:00Z, or how long ago, as 10m")
	c.AddCommand(logLevelCmd(g))
	return c
}

// query is what the daemon is asked for.
func (f *logFlags) query(now time.Time) (string, error) {
	q := url.Values{}
	if f.level != "" {
		q.Set("level", f.level)
	}
	if f.follow {
		q.Set("follow", "true")
	}
	if f.since != "" {
		at, err := time.Parse(time.RFC3339, f.since)
		if ago, no := time.ParseDuration(f.since); no == nil && ago >= 0 {
			at, err = now.Add(-ago), nil
		}
		if err != nil {
			return "", shell.Usage("--since is %q; it must be a time such as 2026-01-31T12:00:00Z, or how long ago, such as 10m", f.since)
		}
		q.Set("since", at.Format(time.RFC3339))
	}
	return "/v1/logs?" + q.Encode(), nil
}

func showLogs(c *cobra.Command, g *shell.Globals, f *logFlags) error {
	path, err := f.query(time.Now())
	if err != nil {
		return err
	}
	d, err := g.Daemon()
	if err != nil {
		return err
	}
	show := func(record []byte) error { return printRecord(g, c.OutOrStdout(), record) }
	if f.follow {
		return followLogs(c.Context(), d, path, show)
	}
	var list struct{ Data []json.RawMessage }
	if err := d.Get(c.Context(), path, &list); err != nil {
		return err
	}
	for _, record := range list.Data {
		if err := show(record); err != nil {
			return err
		}
	}
	return nil
}

// followLogs shows what is kept and what comes, until the daemon or ctx ends.
func followLogs(ctx context.Context, d *shell.Client, path string, show func([]byte) error) error {
	resp, err := d.Do(ctx, http.MethodGet, path, nil, http.Header{"Last-Event-Id": {"0"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return shell.Failure(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for kind := ""; lines.Scan(); {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch {
		case string(name) == "event":
			kind = string(value)
		case string(name) == "data" && kind == "log":
			if err := show(value); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	return nil
}

// printRecord writes a record as JSON, or as a line for people: time, level,
// message, then what belongs to it by name.
func printRecord(g *shell.Globals, out io.Writer, record []byte) error {
	if g.JSON {
		_, err := fmt.Fprintf(out, "%s\n", record)
		return err
	}
	fields := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return fmt.Errorf("read a log record: %w", err)
	}
	line := fmt.Sprintf("%v %-5v %v", fields["time"], fields["level"], fields["msg"])
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "time" && name != "level" && name != "msg" {
			line += " " + name + "=" + plainValue(fields[name])
		}
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

// plainValue is the value on one line, quoted where it is more than a word.
func plainValue(v any) string {
	s, ok := v.(string)
	if !ok {
		b, _ := json.Marshal(v)
		return string(b)
	}
	if s == "" || strings.ContainsAny(s, " \"=\n\t") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func logLevelCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "level [debug|info|warn|error]", Short: "Show what the daemon logs, or change it until it ends",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"debug", "info", "warn", "error"},
		RunE: func(c *cobra.Command, args []string) error {
			d, err := g.Daemon()
			if err != nil {
				return err
			}
			method, body := http.MethodGet, []byte(nil)
			if len(args) > 0 {
				method, body = http.MethodPut, fmt.Appendf(nil, `{"level":%q}`, args[0])
			}
			resp, err := d.Do(c.Context(), method, "/v1/logs/level", body, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return shell.Failure(resp)
			}
			return printLevel(g, c.OutOrStdout(), resp.Body)
		},
	}
}

func printLevel(g *shell.Globals, out io.Writer, body io.Reader) error {
	var level control.LogLevel
	if err := json.NewDecoder(body).Decode(&level); err != nil {
		return fmt.Errorf("read the log level: %w", err)
	}
	if g.JSON {
		return json.NewEncoder(out).Encode(level)
	}
	line := level.Level
	if level.Level != level.Config {
		line += " (at the next start: " + level.Config + ")"
	}
	_, err := fmt.Fprintln(out, line)
	return err
}
