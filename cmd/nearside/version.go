package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"nearside/cmd/nearside/shell"

	"github.com/spf13/cobra"
)

// release and commit are set by the linker, see the Makefile.
var (
	release = "dev"
	commit  = ""
)

func version() string {
	if c := revision(); c != "" {
		return release + " (" + c + ")"
	}
	return release
}

// revision is the commit the program was built from, "" when not known.
func revision() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// built is when the program was, at the earliest: the time of its commit where
// that is known.
func built() time.Time {
	known := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) // of this line
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return known
	}
	for _, s := range info.Settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
			return at
		}
	}
	return known
}

func versionCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and toolchain", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{
					"version": release, "commit": revision(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			fmt.Fprintf(c.OutOrStdout(), "nearside %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
