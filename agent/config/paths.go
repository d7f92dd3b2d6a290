package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const systemConfig = "/etc/nearside/nearside.yaml"

// defaults is a config with everything that can be known without a file.
func defaults() *Config {
	c := &Config{
		Listen: Listen{HTTP: "127.0.0.1:6327", Hosts: []string{"localhost", "127.0.0.1", "[::1]"}, Asks: 256},
		Local:  Local{Engine: Engine{Idle: 10 * time.Minute, Start: "ask", Sandbox: true}},
		Cache:  Cache{Fresh: time.Hour, Stale: 168 * time.Hour, MaxBytes: 256 << 20},
		Learn:  Learn{AuditPct: 1.5, AuditCalls: 20, AuditUSD: 0.05},
		Drain:  10 * time.Second,
		Log:    Log{Level: "info", Format: "text"},
	}
	c.Listen.Socket, c.State = "/run/nearside/nearside.sock", "/var/lib/nearside"
	if os.Geteuid() != 0 {
		c.Listen.Socket, c.State = userSocket(), userFolder("XDG_STATE_HOME", ".local/state")
	}
	return c
}

// userSocket is in the user's runtime folder, else in a folder of the user's own
// in the temporary one.
func userSocket() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nearside", "nearside.sock")
	}
	return filepath.Join(os.TempDir(), "nearside-"+strconv.Itoa(os.Geteuid()), "nearside.sock")
}

// userFolder is our folder in the one the variable names, else in the one below
// the user's home; "" when there is no home.
func userFolder(variable, below string) string {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nearside")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, below, "nearside")
}

// Find says which config file to load: flag, $NEARSIDE_CONFIG, the user's, the
// system's. ok is false when there is none, then [Default] serves. A file that
// flag or variable names must be there.
func Find(flag string) (path string, ok bool, err error) {
	for _, named := range []string{flag, os.Getenv("NEARSIDE_CONFIG")} {
		if named != "" {
			ok, err := exists(named)
			if err == nil && !ok {
				err = fmt.Errorf("find config: there is no file %s", named)
			}
			return named, ok, err
		}
	}
	candidates := []string{systemConfig}
	if dir := userFolder("XDG_CONFIG_HOME", ".config"); dir != "" {
		candidates = []string{filepath.Join(dir, "nearside.yaml"), systemConfig}
	}
	for _, path := range candidates {
		if ok, err := exists(path); ok || err != nil {
			return path, ok, err
		}
	}
	return "", false, nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false, nil
	}
	return false, fmt.Errorf("find config: %w", err)
}
