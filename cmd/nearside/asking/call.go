package asking

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"nearside/cmd/nearside/shell"

	"github.com/spf13/cobra"
)

// Call is nearside call.
func Call(g *shell.Globals) *cobra.Command {
	f, plan := &askFlags{}, false
	c := &cobra.Command{
		Use: "call SERVICE [FILE]", Short: "Call a JSON API that a target offers", Args: cobra.RangeArgs(1, 2),
		Long: `Send the JSON of FILE, or of standard input, to a named service. The reply goes to
standard output; who answered, why and how long it took goes to standard error.`,
		Example: `  echo '{"article":"screw"}' | nearside call inventory
  nearside call inventory order.json --deadline 2s
  nearside call inventory order.json --explain`,
		RunE: func(c *cobra.Command, args []string) error {
			body, err := callBody(c, args[1:])
			if err != nil {
				return err
			}
			if plan {
				return explainCall(c, g, "/v1/explain?service="+url.QueryEscape(args[0]), body, f.header())
			}
			return call(c, g, "/v1/call/"+url.PathEscape(args[0]), body, f.header())
		},
	}
	f.addBounds(c)
	c.Flags().BoolVar(&plan, "explain", false, "show the plan; nothing is called")
	return c
}

// callBody is the JSON of the file that is named, or of standard input.
func callBody(c *cobra.Command, args []string) ([]byte, error) {
	var text []byte
	var err error
	if len(args) == 1 && args[0] != "-" {
		if strings.HasPrefix(args[0], "{") || strings.HasPrefix(args[0], "[") {
			return nil, shell.Usage("JSON is read from a file or standard input; such as: echo '%s' | %s SERVICE", args[0], c.CommandPath())
		}
		text, err = os.ReadFile(args[0])
	} else {
		if len(args) == 0 && shell.IsTerminal(c.InOrStdin()) {
			return nil, shell.Usage("there is no JSON; name a file, or write it to standard input")
		}
		var in string
		in, err = readInput(c)
		text = []byte(in)
	}
	if err != nil {
		return nil, fmt.Errorf("read the JSON to send: %w", err)
	}
	if !json.Valid(text) {
		return nil, shell.Usage("what is to be sent is not valid JSON")
	}
	return text, nil
}

func call(c *cobra.Command, g *shell.Globals, path string, body []byte, header http.Header) error {
	start := time.Now()
	resp, err := g.Post(c.Context(), path, body, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	took := time.Since(start)
	if g.JSON {
		head := headOf(resp.Header, took)
		head["reply"] = json.RawMessage(text)
		return json.NewEncoder(c.OutOrStdout()).Encode(head)
	}
	if _, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", text); err != nil {
		return err
	}
	note(c.ErrOrStderr(), resp.Header, took)
	return nil
}

// headOf is what the headers of a plain reply say, for --json.
func headOf(h http.Header, took time.Duration) map[string]any {
	attempts, _ := strconv.Atoi(h.Get("x-nearside-attempts"))
	return map[string]any{
		"route": h.Get("x-nearside-route"), "target": h.Get("x-nearside-target"), "model": h.Get("x-nearside-model"),
		"reason": h.Get("x-nearside-reason"), "attempts": attempts, "degraded": h.Get("x-nearside-degraded") == "1",
		"decision": h.Get("x-nearside-decision"), "ms": took.Milliseconds(),
	}
}
