package policies

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"nearside/agent"
	"nearside/policy/replay"
)

// printReport tells a person what another policy would change.
func printReport(w io.Writer, p *agent.Policy, r *replay.Report) {
	fmt.Fprintf(w, "%d decisions, %s to %s, again by %s (%s)\n", r.Records, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), p, p.Source)
	printBasis(w, r)
	fmt.Fprintf(w, "\nroutes change for %d asks (%.1f %%)\n", r.Changed, 100*float64(r.Changed)/float64(r.Records))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Moves {
		fmt.Fprintf(t, "  %s\t-> %s\t%d\n", m.From, m.To, m.Asks)
	}
	t.Flush()
	fmt.Fprintln(w)
	printTotals(w, r.Before, r.After)
	if len(r.Affected) > 0 {
		fmt.Fprintln(w, "\nmost affected")
		printAffected(w, r.Affected)
	}
}

// printBasis says what the figures rest on.
func printBasis(w io.Writer, r *replay.Report) {
	fmt.Fprintf(w, "%d plans came out as recorded", r.Recomputed-r.Differing)
	if r.Differing > 0 {
		fmt.Fprintf(w, ", %d did NOT, such as %s", r.Differing, r.Differ[0])
	}
	if r.Foreign > 0 {
		fmt.Fprintf(w, "; the policy of %d is not at hand (--old), they are taken as recorded", r.Foreign)
	}
	fmt.Fprintf(w, "\n%d outcomes are estimated, %d of them with an assumed latency, error rate or price; the others are known\n", r.Estimated, r.Assumed)
	if r.Unplanned > 0 {
		fmt.Fprintf(w, "%d requests had no plan\n", r.Unplanned)
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(w, "%d records could not be read; %s\n", r.Unreadable, r.Faults[0])
	}
}

func printTotals(w io.Writer, before, after replay.Totals) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbefore\tafter\tchange\t")
	row := func(name, form string, b, a float64) {
		fmt.Fprintf(t, "%s\t"+form+"\t"+form+"\t%+"+form[1:]+"\t\n", name, b, a, a-b)
	}
	row("local share, %", "%.1f", 100*before.LocalShare, 100*after.LocalShare)
	row("expected quality", "%.3f", before.Quality, after.Quality)
	row("latency, mean ms", "%.0f", before.MS, after.MS)
	row("cost, USD", "%.6f", before.CostUSD, after.CostUSD)
	row("metered, kB", "%.1f", before.MeteredKB, after.MeteredKB)
	t.Flush()
}

func printAffected(w io.Writer, all []replay.Change) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  id\ttask\ttokens\tfrom\tto\treason\tquality\tms\tUSD\tkB")
	for _, c := range all {
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%s\t%s\t%+.2f\t%+.0f\t%+.6f\t%+.1f\n", c.ID, c.Task, c.Tokens, c.From, c.To, c.Reason, c.Quality, c.MS, c.CostUSD, c.KB)
	}
	t.Flush()
}
