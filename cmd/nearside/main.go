// Command nearside is the daemon and the command line for it: one place on a
// device to ask an AI. `nearside serve` runs the daemon; the other commands
// talk to it over its Unix socket.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/asking"
	"nearside/cmd/nearside/fleet"
	"nearside/cmd/nearside/lessons"
	"nearside/cmd/nearside/policies"
	"nearside/cmd/nearside/shell"
	"nearside/local/sandbox"
)

func main() {
	sandbox.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := &output{w: os.Stdout}
	err := newRoot(out).ExecuteContext(ctx)
	switch {
	case err == nil && out.err == nil:
		return
	case err == nil:
		err = out.err
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		err = shell.Interrupted()
	}
	fmt.Fprintln(os.Stderr, "nearside:", err)
	os.Exit(shell.CodeOf(err))
}

// output is standard output; it remembers that something could not be written,
// so that no command ends well then.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("write standard output: %w", err)
	}
	return n, o.err
}

func newRoot(out io.Writer) *cobra.Command {
	g := &shell.Globals{}
	root := &cobra.Command{
		Use:   "nearside",
		Short: "One place on the device to ask an AI: near first, the cloud when it is worth it",
		Long: `nearside answers with a light model on the device first, goes to a cloud API only
when the local answer is not good enough and policy and network allow, and
offline answers from what it knows. Every reply says who answered and why.`,
		Example: `  nearside serve
  nearside ask "What is the capital of France?"
  nearside explain "Write a regular expression for IPv4 addresses"
  nearside status`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version(),
	}
	root.SetOut(out)
	g.Add(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(serveCmd(g), asking.Ask(g), asking.Call(g), asking.Explain(g), lessons.Feedback(g), statusCmd(g), logsCmd(g), configCmd(g), policies.Command(g), lessons.Calibrate(g), lessons.Gate(g), fleet.Command(g), modelCmd(g), waitCmd(g), doctorCmd(g), versionCmd(g))
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	markUsage(root)
	return root
}
