package views

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
)

// reporting is one nearside fleet report.
type reporting struct {
	link.Link
	choosing
	format string
}

// Report is nearside fleet report.
func Report(g *shell.Globals) *cobra.Command {
	r := &reporting{}
	formats := []string{"table", "json", "csv", "markdown"}
	c := &cobra.Command{
		Use: "report", Short: "Write down which device applied what and when, for an audit", Args: cobra.NoArgs,
		Long: `Write down which device applies which document, since when it said so, what it
refused and why, and which rollouts there were, by whom. Times are the devices'
own, beside the state of their clocks. Cells cannot become formulas of a
spreadsheet.`,
		Example: `  nearside fleet report --format csv > fleet.csv
  nearside fleet report --ring canary --format markdown`,
		RunE: func(c *cobra.Command, _ []string) error {
			if g.JSON && !c.Flags().Changed("format") {
				r.format = "json"
			}
			if !slices.Contains(formats, r.format) {
				return shell.Usage("--format %q: want one of %s", r.format, strings.Join(formats, ", "))
			}
			return r.run(c)
		},
	}
	r.Link.Add(c)
	r.choosing.add(c)
	c.Flags().StringVar(&r.format, "format", "table", "`FORM`: "+strings.Join(formats, " "))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

var reportHead = [...]string{"device", "ring", "version", "digest", "state", "reported", "clock", "ok", "reason", "detail", "root", "agent", "dropped", "fault"}

func (r *row) cells() []string {
	at, ok := "", ""
	if !r.At.IsZero() {
		at = r.At.UTC().Format(time.RFC3339)
	}
	if r.OK != nil {
		ok = link.Yes(*r.OK)
	}
	return []string{r.Device, r.Ring, strconv.FormatInt(r.Version, 10), r.Digest, r.State, at, r.Clock, ok, r.Reason, r.Detail,
		strconv.FormatInt(r.Root, 10), r.Agent, strconv.FormatInt(r.Dropped, 10), r.Fault}
}

func (r *reporting) run(c *cobra.Command) error {
	f, err := r.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	r.warn(c, f)
	rows, rollouts := r.from(f), Rollouts(f)
	w := c.OutOrStdout()
	switch r.format {
	case "json":
		return shell.PrintJSON(c, map[string]any{"tenant": r.Tenant, "time": time.Now().UTC(), "devices": rows, "rollouts": rollouts})
	case "csv":
		return writeCSV(w, rows)
	case "markdown":
		writeMarkdown(w, r.Tenant, rows, rollouts)
		return nil
	}
	t := link.NewTable(w, reportHead[:]...)
	for _, row := range rows {
		t.Row(row.cells()...)
	}
	t.End()
	return nil
}

func writeCSV(w io.Writer, rows []row) error {
	out := csv.NewWriter(w)
	_ = out.Write(reportHead[:]) // Flush has the error
	for _, r := range rows {
		cells := r.cells()
		for i, cell := range cells {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				cells[i] = "'" + cell
			}
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}

// escape keeps text of a stranger inside its cell of Markdown.
var escape = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "'", "<", "&lt;", "[", `\[`)

func writeMarkdown(w io.Writer, tenant string, rows []row, rollouts []Summary) {
	line := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = escape.Replace(cell)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	rule := func(n int) { fmt.Fprintln(w, "|"+strings.Repeat(" --- |", n)) }
	fmt.Fprintf(w, "# Fleet %s at %s\n\n%d devices\n\n", tenant, time.Now().UTC().Format(time.RFC3339), len(rows))
	line(slices.Clone(reportHead[:])...)
	rule(len(reportHead))
	for _, r := range rows {
		line(r.cells()...)
	}
	if len(rollouts) == 0 {
		return
	}
	fmt.Fprint(w, "\n## Rollouts\n\n")
	line("rollout", "state", "version", "digest", "started", "ended", "by", "why")
	rule(8)
	for _, r := range rollouts {
		end := ""
		if !r.Ended.IsZero() {
			end = r.Ended.UTC().Format(time.RFC3339)
		}
		line(r.ID, r.State, strconv.FormatInt(r.Version, 10), r.Digest, r.Started.UTC().Format(time.RFC3339), end, r.By, r.Why)
	}
}
