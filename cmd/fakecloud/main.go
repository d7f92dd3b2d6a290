// Command fakecloud runs one fake cloud LLM API, for demos and drills. It
// answers like the OpenAI API and breaks on demand; a second port switches the
// faults while it runs.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nearside/cmd/fakecloud/fake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(os.Stdout, os.Stderr, os.Args[1:]).ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

const about = `A fake cloud LLM API with faults on demand.

It serves POST /v1/chat/completions (plain and streamed), POST /v1/embeddings,
GET /v1/models and a JSON API, POST /v2/items with {"article":"screw"}, on --addr,
and switches of faults on --control:

  GET, PUT, DELETE /_fake/fault    show, set, clear the fault
  GET, DELETE      /_fake/state    show, reset what was counted

A fault is {"kind":KIND} with, where it makes sense, "ms" (wait first; any kind),
"status", "retry_after_s", "retry_after_ms", "after" (chunks before a stream
breaks) and "count" (touch only so many calls, then mend). Kinds:

  `

const examples = `  fakecloud --name first --key sk-first
  fakecloud --fault hang
  fakecloud --fault '{"kind":"cut_stream","after":3,"count":5}'

  curl -X PUT http://127.0.0.1:6401/_fake/fault -d '{"kind":"status","status":503,"retry_after_s":2}'
  curl -X PUT http://127.0.0.1:6401/_fake/fault -d '{"kind":"refused"}'
  curl -X DELETE http://127.0.0.1:6401/_fake/fault
  curl http://127.0.0.1:6401/_fake/state`

// settings are the flags.
type settings struct {
	addr, control, fault string
	opts                 fake.Options
}

func command(stdout, stderr io.Writer, args []string) *cobra.Command {
	set := settings{}
	cmd := &cobra.Command{
		Use:          "fakecloud",
		Short:        "A fake cloud LLM API with faults on demand",
		Long:         about + kinds(),
		Example:      examples,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), set, stdout, stderr) },
	}
	flags := cmd.Flags()
	flags.StringVar(&set.addr, "addr", "127.0.0.1:6400", "address of the data API")
	flags.StringVar(&set.control, "control", "127.0.0.1:6401", "address of the control API")
	flags.StringVar(&set.fault, "fault", "none", "fault to begin with: KIND, or a fault as JSON")
	flags.StringVar(&set.opts.Name, "name", "fakecloud", "name that begins every answer")
	flags.StringVar(&set.opts.Key, "key", "", "bearer token callers need; empty lets everyone in")
	flags.StringSliceVar(&set.opts.Models, "model", []string{"fake-model"}, "model to serve; may be repeated")
	flags.DurationVar(&set.opts.FirstByte, "delay", 0, "wait before the headers of an answer")
	flags.Float64Var(&set.opts.TokensPerSecond, "rate", 0, "tokens per second, 0 is instant")
	flags.IntVar(&set.opts.Words, "words", 12, "words in the answer to an unknown question")
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetArgs(args)
	return cmd
}

func kinds() string {
	var names []string
	for _, k := range fake.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, " ")
}

// run serves until ctx ends.
func run(ctx context.Context, set settings, stdout, stderr io.Writer) error {
	fault, err := fake.ParseFault(set.fault)
	if err != nil {
		return fmt.Errorf("flag --fault: %w", err)
	}
	set.opts.Switched = func(f fake.Fault) {
		fmt.Fprintf(stderr, "%s %s: fault %s\n", time.Now().Format(time.TimeOnly), set.opts.Name, f)
	}
	server := fake.New(set.opts)
	defer server.Close()
	if err := server.ListenControl(set.control); err != nil {
		return fmt.Errorf("control API: %w", err)
	}
	if err := server.Listen(set.addr); err != nil {
		return fmt.Errorf("data API: %w", err)
	}
	if err := server.Set(fault); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "api     %s/v1\ncontrol %s/_fake/\n", server.URL(), server.ControlURL())
	<-ctx.Done()
	return nil
}
