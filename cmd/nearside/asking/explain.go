package asking

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/cmd/nearside/policies"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/tell"
	"nearside/policy"
	"nearside/policy/whatif"
)

// explainFlags are what an explanation is made of, and by.
type explainFlags struct {
	askFlags
	assumed  []string
	file     string
	decision string
	policy   string
	fields   bool
}

// Explain is nearside explain.
func Explain(g *shell.Globals) *cobra.Command {
	f := &explainFlags{}
	c := &cobra.Command{
		Use: "explain [QUESTION]", Short: "Show the plan for a question, and what would change it; nothing is asked",
		Long: `Show the plan for a question, what it was made from, the rules that had a part in it,
and the smallest changes that would have another target go first. Nothing is asked.
The ask is a question, or with --ask a file: the body of a chat request, or a decision
record (GET /v1/decisions/ID), which is explained again as it was.
With --set the plan is made as if a signal had that value; signals are
  ` + strings.Join(policy.SignalNames(), " ") + `
and cpu, memory, pressure, temperature, battery, disk for short.`,
		Example: `  nearside explain "Write a regular expression for IPv4 addresses"
  nearside explain --private --json "Where did I park?"
  nearside explain --set network=offline --set battery=8 "What is the capital of France?"
  nearside explain --decision 01JD3KQ2V7
  nearside explain --ask request.json --policy new.yaml
  nearside explain --policy profile:car "Turn the heating up"
  nearside explain --fields`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, g, args) },
	}
	f.add(c, g)
	c.Flags().StringArrayVar(&f.assumed, "set", nil, "assume a signal, `NAME=VALUE`; may be given often")
	c.Flags().StringVar(&f.file, "ask", "", "explain the chat body or the decision record in `FILE`; - is standard input")
	c.Flags().StringVar(&f.decision, "decision", "", "explain the decision with this `ID` again")
	c.Flags().StringVar(&f.policy, "policy", "", "decide by the policy in `FILE`, or profile:NAME, instead of the daemon's")
	c.Flags().BoolVar(&f.fields, "fields", false, "list the fields that conditions can test, with their units and values now")
	c.MarkFlagsMutuallyExclusive("ask", "decision", "fields")
	_ = c.RegisterFlagCompletionFunc("set", cobra.FixedCompletions(settings(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	_ = c.RegisterFlagCompletionFunc("decision", cobra.NoFileCompletions)
	return c
}

// settings are the beginnings of what --set takes.
func settings() []string {
	var all []string
	for _, name := range policy.SignalNames() {
		all = append(all, name+"=")
	}
	return all
}

// what is explained: a body for the daemon, and where it goes.
type explained struct {
	path   string
	body   []byte
	record bool
}

const explainPath = "/v1/explain"

func (f *explainFlags) run(c *cobra.Command, g *shell.Globals, args []string) error {
	what, err := f.read(c, g, args)
	if err != nil {
		return err
	}
	h := f.header()
	if len(f.assumed) > 0 {
		h.Set("x-nearside-signals", strings.Join(f.assumed, ","))
	}
	if f.policy == "" && !f.fields {
		return explainCall(c, g, what.path, what.body, h)
	}
	e, err := explanation(c, g, what, h)
	if err != nil {
		return err
	}
	if f.fields {
		return showFields(c, g, whatif.Fields(&e.Ask, &e.Signals))
	}
	return f.under(c, g, e)
}

// read finds what is to be explained.
func (f *explainFlags) read(c *cobra.Command, g *shell.Globals, args []string) (explained, error) {
	if len(args) > 0 && f.file+f.decision != "" {
		return explained{}, shell.Usage("a question cannot be explained beside --ask or --decision")
	}
	switch {
	case f.decision != "":
		d, err := g.Daemon()
		if err != nil {
			return explained{}, err
		}
		var record json.RawMessage
		err = d.Get(c.Context(), "/v1/decisions/"+url.PathEscape(f.decision), &record)
		return explained{explainPath + "?from=decision", record, true}, err
	case f.file != "":
		body, err := callBody(c, []string{f.file})
		if err == nil && isRecord(body) {
			return explained{explainPath + "?from=decision", body, true}, nil
		}
		return explained{explainPath, body, false}, err
	case f.fields && len(args) == 0:
		return explained{explainPath, f.body("-", false), false}, nil
	}
	text, err := question(c, args)
	return explained{explainPath, f.body(text, false), false}, err
}

// isRecord tells a decision record from the body of a chat request.
func isRecord(body []byte) bool {
	var keys struct{ Signals, Plan, Messages json.RawMessage }
	return json.Unmarshal(body, &keys) == nil && keys.Signals != nil && keys.Plan != nil && keys.Messages == nil
}

// explanation asks the daemon for one.
func explanation(c *cobra.Command, g *shell.Globals, what explained, h http.Header) (*agent.Explanation, error) {
	resp, err := g.Post(c.Context(), what.path, what.body, h)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readExplanation(resp.Body)
}

func readExplanation(r io.Reader) (*agent.Explanation, error) {
	e := &agent.Explanation{}
	if err := json.NewDecoder(r).Decode(e); err != nil {
		return nil, fmt.Errorf("read the explanation: %w", err)
	}
	return e, nil
}

// under shows what another policy makes of the same ask and situation.
func (f *explainFlags) under(c *cobra.Command, g *shell.Globals, e *agent.Explanation) error {
	p, err := policies.Named(f.policy)
	if err != nil {
		return err
	}
	if f.deadline == 0 && e.Recorded == nil {
		e.Ask.DeadlineMS = p.Doc.Deadline(e.Ask.Service)
	}
	other := e.Under(p)
	if g.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(other)
	}
	return tell.Plan(c.OutOrStdout(), other)
}

func showFields(c *cobra.Command, g *shell.Globals, all []whatif.Field) error {
	if g.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(all)
	}
	return tell.Fields(c.OutOrStdout(), all)
}

func explainCall(c *cobra.Command, g *shell.Globals, path string, body []byte, header http.Header) error {
	return g.Show(c, path, body, header, func(reply io.Reader) error {
		e, err := readExplanation(reply)
		if err != nil {
			return err
		}
		return tell.Plan(c.OutOrStdout(), e)
	})
}
