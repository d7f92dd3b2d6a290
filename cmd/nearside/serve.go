package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/server/control"
	"nearside/agent/server/feed"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/lines"
	"nearside/cmd/nearside/policies"
	"nearside/cmd/nearside/shell"
)

// serveFlags override the config.
type serveFlags struct {
	state string
	http  string
}

func serveCmd(g *shell.Globals) *cobra.Command {
	f := &serveFlags{}
	c := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Args: cobra.NoArgs,
		Long: `Run the daemon until SIGINT or SIGTERM. It listens on a Unix socket and on
loopback TCP, starts without a network, and at the end lets requests under way
finish for at most the config's drain time (10 s).`,
		Example: `  nearside serve
  nearside serve --config nearside.yaml --state /tmp/ns --socket /tmp/ns.sock --http ""`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := forbidDumps(); err != nil {
				return err
			}
			if c.Flags().Changed("state") && f.state == "" {
				return shell.Usage("--state is empty; name a folder")
			}
			if err := pin(g); err != nil {
				return err
			}
			load := func() (*config.Config, *agent.Policy, error) { return f.load(c, g) }
			cfg, p, err := load()
			if err != nil {
				return err
			}
			log, watch, end := newLog(cfg.Log)
			defer end()
			return daemon.Run(c.Context(), daemon.Options{
				Config: cfg, Policy: p, Load: load, Log: log, Watch: watch, Release: release, Commit: revision(), Built: built(),
				Listens: func() { welcome(cfg) },
			})
		},
	}
	f.add(c)
	return c
}

func (f *serveFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.state, "state", "", "state `DIR` (default the config's)")
	_ = c.MarkFlagDirname("state")
	c.Flags().StringVar(&f.http, "http", "", "`ADDR` for HTTP, \"\" is off (default the config's)")
}

// pin holds the command line to the config file found now, so that a daemon
// whose file is removed does not fall back to another at a reload.
func pin(g *shell.Globals) error {
	path, ok, err := config.Find(g.Config)
	if err != nil {
		return shell.BadInput(err)
	}
	if ok {
		g.Config = absolute(path)
	}
	return nil
}

// load reads config and policy, and puts the flags over them.
func (f *serveFlags) load(c *cobra.Command, g *shell.Globals) (*config.Config, *agent.Policy, error) {
	cfg, err := g.Load()
	if err != nil {
		return nil, nil, err
	}
	f.apply(c, cfg, g.Socket)
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, nil, shell.Usage("%w", problems[0])
	}
	p, err := policies.Load(cfg)
	if err != nil {
		return nil, nil, shell.BadInput(err)
	}
	return cfg, p, nil
}

// forbidDumps keeps what was asked out of core dumps, of the daemon and of what
// it starts.
func forbidDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}

func (f *serveFlags) apply(c *cobra.Command, cfg *config.Config, socket string) {
	if socket == "" {
		socket = os.Getenv("NEARSIDE_SOCKET")
	}
	if socket != "" {
		cfg.Listen.Socket = absolute(socket)
	}
	if f.state != "" {
		cfg.State = absolute(f.state)
	}
	if c.Flags().Changed("http") {
		cfg.Listen.HTTP = f.http
	}
}

// newLog writes to standard error, and keeps the latest records for those who
// ask the daemon. What still waits at the end is written then, unless nobody reads.
func newLog(l config.Log) (log *slog.Logger, watch control.Watch, end func()) {
	watch = control.Watch{Logs: feed.New(feed.Options{Entries: 1000}), Level: new(slog.LevelVar)}
	_ = watch.Level.UnmarshalText([]byte(l.Level)) // checked with the config
	o := &slog.HandlerOptions{Level: watch.Level}
	to := lines.New(os.Stderr, func(n int) {
		log.Warn("lines of the log were left out: whoever reads standard error was too slow; nearside logs has the latest", "lines", n)
	})
	var out slog.Handler = slog.NewTextHandler(to, o)
	if l.Format == "json" {
		out = slog.NewJSONHandler(to, o)
	}
	return slog.New(slog.NewMultiHandler(out, watch.Logs.Handler(watch.Level))), watch, func() { to.Close(time.Second) }
}

// welcome is what a person who started the daemon wants to see first.
func welcome(cfg *config.Config) {
	fmt.Printf("nearside %s\n  socket  %s\n", version(), cfg.Listen.Socket)
	if cfg.Listen.HTTP != "" {
		scheme := "http"
		if cfg.Listen.TLS != nil {
			scheme = "https"
		}
		fmt.Printf("  URL     %s://%s/v1\n", scheme, cfg.Listen.HTTP)
	}
	if !shell.IsTerminal(os.Stdout) && os.Getenv("NEARSIDE_WELCOME") == "" {
		return
	}
	at := ""
	if cfg.Listen.Socket != defaultSocket() {
		at = " --socket " + cfg.Listen.Socket
	}
	fmt.Printf(`try
  bin/nearside ask%[1]s "What is the capital of France?"
  bin/nearside explain%[1]s "Write a regular expression for IPv4 addresses"
  curl --unix-socket %[2]s http://localhost/v1/status
`, at, cfg.Listen.Socket)
}

func defaultSocket() string {
	return config.Default().Listen.Socket
}

// absolute is the path seen from the root, as it is when that cannot be told.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
