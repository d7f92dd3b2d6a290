// Package shell is what all commands share: the flags that each has, the way to
// the config and to the daemon, exit codes, and output for programs. It knows no
// command.
package shell

import (
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"nearside/agent/config"
)

// Globals are the flags every command has.
type Globals struct {
	Config string
	Socket string
	JSON   bool
}

// Add gives the flags to the root of all commands.
func (g *Globals) Add(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.Config, "config", "", "config `FILE` (default $NEARSIDE_CONFIG, else yours, else /etc/nearside/nearside.yaml, else built-in)")
	f.StringVar(&g.Socket, "socket", "", "socket `PATH` of the daemon (default $NEARSIDE_SOCKET, else the config's)")
	f.BoolVar(&g.JSON, "json", false, "print JSON, where the command reads")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
}

// Load reads the config that is in force for this command line. A file that is
// not right is [BadInput].
func (g *Globals) Load() (*config.Config, error) {
	path, ok, err := config.Find(g.Config)
	if err != nil {
		return nil, BadInput(err)
	}
	if !ok {
		return config.Default(), nil
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, BadInput(err)
	}
	return cfg, nil
}

// PrintJSON writes a value for programs, on one line of standard output.
func PrintJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// YAMLFiles completes the name of a config or a policy.
func YAMLFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
