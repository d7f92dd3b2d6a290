package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
)

func explainCmd(g *globals) *cobra.Command {
	f := &askFlags{}
	c := &cobra.Command{
		Use: "explain [QUESTION]", Short: "Show the plan for a question; nothing is asked",
		Example: `  nearside explain "Write a regular expression for IPv4 addresses"
  nearside explain --private --json "Where did I park?"`,
		RunE: func(c *cobra.Command, args []string) error { return f.explain(c, g, args) },
	}
	f.add(c)
	return c
}

func (f *askFlags) explain(c *cobra.Command, g *globals, args []string) error {
	text, err := question(c, args)
	if err != nil {
		return err
	}
	resp, err := g.post(c.Context(), "/v1/explain", f.body(text, false), f.header())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if g.json {
		_, err := io.Copy(c.OutOrStdout(), resp.Body)
		return err
	}
	var e agent.Explanation
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	printPlan(c.OutOrStdout(), &e)
	return nil
}

// printPlan tells a plan to a person.
func printPlan(w io.Writer, e *agent.Explanation) {
	fmt.Fprintf(w, "task %s, about %d tokens, privacy %s, network %s, policy %s\n",
		e.Ask.Task, e.Ask.Size.TokensEst, e.Ask.Privacy, e.Signals.Network, e.Policy)
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
