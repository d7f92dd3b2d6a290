package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/policy"
)

func explainCmd(g *globals) *cobra.Command {
	f := &askFlags{}
	var assumed []string
	c := &cobra.Command{
		Use: "explain [QUESTION]", Short: "Show the plan for a question; nothing is asked",
		Long: "Show the plan for a question and what it was made from. Nothing is asked. With --set the plan\n" +
			"is made as if a signal had that value; signals are\n  " + strings.Join(policy.SignalNames(), " ") + ".",
		Example: `  nearside explain "Write a regular expression for IPv4 addresses"
  nearside explain --private --json "Where did I park?"
  nearside explain --set battery_pct=8 --set charging=false "What is the capital of France?"`,
		RunE: func(c *cobra.Command, args []string) error { return f.explain(c, g, assumed, args) },
	}
	f.add(c)
	c.Flags().StringArrayVar(&assumed, "set", nil, "assume a signal, `NAME=VALUE`; may be given often")
	_ = c.RegisterFlagCompletionFunc("set", cobra.FixedCompletions(settings(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
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

func (f *askFlags) explain(c *cobra.Command, g *globals, assumed, args []string) error {
	text, err := question(c, args)
	if err != nil {
		return err
	}
	h := f.header()
	if len(assumed) > 0 {
		h.Set("x-nearside-signals", strings.Join(assumed, ","))
	}
	return explainCall(c, g, "/v1/explain", f.body(text, false), h)
}

// printPlan tells a plan to a person.
func printPlan(w io.Writer, e *agent.Explanation) {
	fmt.Fprintf(w, "task %s, about %d tokens, privacy %s, network %s, policy %s\n",
		e.Ask.Task, e.Ask.Size.TokensEst, e.Ask.Privacy, e.Signals.Network, e.Policy)
	if len(e.Signals.Held) > 0 {
		fmt.Fprintf(w, "rules in force: %s\n", strings.Join(e.Signals.Held, ", "))
	}
	if e.Reason != "" {
		fmt.Fprintf(w, "shaped by: %s\n", e.Reason)
	}
	for i, s := range e.Steps {
		fmt.Fprintf(w, "%d. %-6s %-28s %s", i+1, s.Kind, strings.Join(s.Targets(), ", "), s.Why)
		if s.BudgetMS > 0 {
			fmt.Fprintf(w, " [%s, %d ms, utility %.2f]", s.Reason, s.BudgetMS, s.Utility)
		}
		fmt.Fprintln(w)
	}
	for _, n := range e.NotChosen {
		fmt.Fprintf(w, "not %s: %s\n", n.Target, n.Why)
	}
}
