// Package operator is the part of nearside fleet that changes what devices do
// through a broker: pushing signed documents, rollouts in stages and the orders
// to them, signed commands. What devices and brokers tell is shown only after it
// was bounded and can be printed.
package operator

import (
	"github.com/spf13/cobra"

	"nearside/cmd/nearside/operator/forecast"
	"nearside/cmd/nearside/operator/views"
	"nearside/cmd/nearside/shell"
)

// Commands are those of nearside fleet that are not done offline.
func Commands(g *shell.Globals) []*cobra.Command {
	return []*cobra.Command{
		pushCmd(g), views.Status(g), views.Watch(g), rolloutCmd(g), orderCmd(g, pause), orderCmd(g, resume), orderCmd(g, abort),
		rollbackCmd(g), commandCmd(g), views.Report(g), forecast.Diff(g), forecast.Replay(g),
	}
}
