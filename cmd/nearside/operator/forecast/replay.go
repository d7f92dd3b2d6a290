package forecast

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/judge"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
	"nearside/policy"
	"nearside/policy/replay"
	"nearside/policy/seal"
)

// Bounds of the files that are replayed.
const (
	maxLine    = 32 << 20 // bytes of a line
	maxRecords = 200_000  // of one device
)

// replaying is one nearside fleet replay.
type replaying struct {
	current string
}

// Replay is nearside fleet replay.
func Replay(g *shell.Globals) *cobra.Command {
	r := &replaying{}
	c := &cobra.Command{
		Use: "replay CANDIDATE FILE...", Short: "Decide the recent asks of devices again by a candidate, before it is sent", Args: cobra.MinimumNArgs(2),
		Long: `Decide the recent asks of devices again by a candidate: what becomes of the local
share, cost and refusals of each, and whether its device would refuse the
candidate. A FILE is named after its device and holds decision records, a line
each, as nearside policy replay --save writes them there. The candidate is an
envelope, a policy file or profile:NAME. No broker is asked. Ends with 3 when a
device would refuse the candidate.`,
		Example: `  nearside fleet replay policy.dsse cam-17.jsonl cam-18.jsonl --current before.dsse
  nearside fleet replay mine.yaml cam-17.jsonl --json`,
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, g, args[0], args[1:]) },
	}
	c.Flags().StringVar(&r.current, "current", "profile:default", "what the devices apply now: an envelope, a policy `FILE` or profile:NAME")
	return c
}

// past are the records of one device.
type past struct {
	device  string
	records [][]byte
}

// forecast is what a candidate would do to one device.
type forecast struct {
	Device   string        `json:"device"`
	Asks     int           `json:"asks"`
	Changed  int           `json:"changed"`
	Before   replay.Totals `json:"before"`
	After    replay.Totals `json:"after"`
	Taken    bool          `json:"taken"` // its device would take the candidate
	Reason   string        `json:"reason,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	Evidence []string      `json:"evidence,omitempty"`
	Skipped  int           `json:"unreadable,omitempty"`
}

func (r *replaying) run(c *cobra.Command, g *shell.Globals, candidate string, files []string) error {
	after, err := read(candidate)
	if err != nil {
		return err
	}
	before, err := read(r.current)
	if err != nil {
		return err
	}
	pasts, err := pastsOf(c.InOrStdin(), files)
	if err != nil {
		return err
	}
	all := []forecast{}
	for _, p := range pasts {
		f, err := foresee(c.Context(), p, before, after)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	if g.JSON {
		err = shell.PrintJSON(c, map[string]any{"current": before.String(), "candidate": after.String(), "devices": all})
	} else {
		printForecasts(c.OutOrStdout(), before, after, all)
	}
	return cmp.Or(err, harmful(all))
}

// harmful is the error where devices would refuse the candidate.
func harmful(all []forecast) error {
	refuse := slices.DeleteFunc(slices.Clone(all), func(f forecast) bool { return f.Taken })
	if len(refuse) == 0 {
		return nil
	}
	return shell.Refused(fmt.Errorf("%d of %d devices would refuse it: %s", len(refuse), len(all), refuse[0].Detail))
}

// foresee judges the candidate as the device would, and replays its past.
func foresee(ctx context.Context, p past, before, after text) (forecast, error) {
	f := forecast{Device: p.device}
	slices.Reverse(p.records)
	var newest struct {
		Signals policy.Signals `json:"signals"`
	}
	report := replay.Run(replay.Options{New: after.Doc, Old: map[string]*policy.Document{before.String(): before.Doc}, Workers: runtime.GOMAXPROCS(0)},
		func(yield func([]byte) bool) {
			for _, r := range p.records {
				yield(r)
			}
		})
	f.Asks, f.Changed, f.Before, f.After, f.Skipped = report.Records, report.Changed, report.Before, report.After, report.Unreadable
	if report.Records == 0 {
		return f, shell.Usage("%s: no record of a decision could be read; make some there with: nearside policy replay --save FILE", p.device)
	}
	for _, r := range p.records {
		if json.Unmarshal(r, &newest) == nil && len(newest.Signals.Targets) > 0 {
			break
		}
	}
	j, err := judge.Check(ctx, after.body, judge.Basis{Own: before.Doc, Present: before.Doc, Signals: newest.Signals, Recent: &p})
	var refused *seal.Refusal
	switch {
	case errors.As(err, &refused):
		f.Reason, f.Detail = refused.Reason, refused.Detail
		return f, nil
	case err != nil:
		return f, fmt.Errorf("%s: %w", p.device, err)
	}
	f.Taken, f.Evidence = true, j.Evidence
	return f, nil
}

// Decisions are the records, the latest first, as the judge reads them.
func (p *past) Decisions(_ context.Context, limit int, before string) ([][]byte, error) {
	from := 0
	if before != "" {
		from = 1 + slices.IndexFunc(p.records, func(r []byte) bool { return idOf(r) == before })
	}
	if before != "" && from == 0 {
		return nil, nil
	}
	return p.records[from:min(from+limit, len(p.records))], nil
}

func idOf(record []byte) string {
	var r struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(record, &r) // one that cannot be read has none
	return r.ID
}

// pastsOf reads the records of all files, by device, each in the order of time.
func pastsOf(in io.Reader, files []string) ([]past, error) {
	by, names := map[string]*past{}, []string{}
	add := func(device string, record []byte) error {
		p := by[device]
		if p == nil {
			p = &past{device: device}
			by[device], names = p, append(names, device)
		}
		if p.records = append(p.records, record); len(p.records) > maxRecords {
			return shell.Usage("%s: more than %d records", device, maxRecords)
		}
		return nil
	}
	for _, name := range files {
		if err := readPast(in, name, add); err != nil {
			return nil, err
		}
	}
	var all []past
	for _, name := range names {
		slices.SortStableFunc(by[name].records, func(a, b []byte) int { return timeOf(a).Compare(timeOf(b)) })
		all = append(all, *by[name])
	}
	if len(all) == 0 {
		return nil, shell.Usage("there is no record in %s", strings.Join(files, ", "))
	}
	return all, nil
}

func timeOf(record []byte) time.Time {
	var r struct {
		Time time.Time `json:"time"`
	}
	_ = json.Unmarshal(record, &r) // one that cannot be read comes first
	return r.Time
}

func readPast(in io.Reader, name string, add func(string, []byte) error) error {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return shell.Usage("read records: %w", err)
		}
		defer file.Close()
		in = file
	}
	device := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := addLine(device, bytes.Clone(line), add); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return shell.Usage("read records: %s: %w", name, err)
	}
	return nil
}

// addLine adds the records of a line: one, a page of them, or those that a
// device sent as its answer.
func addLine(device string, line []byte, add func(string, []byte) error) error {
	var l struct {
		Data   []json.RawMessage `json:"data"`
		Device string            `json:"device"`
		Result struct {
			Decisions []json.RawMessage `json:"decisions"`
		} `json:"result"`
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Data == nil && l.Device == "" {
		return add(device, line)
	}
	for _, record := range append(l.Data, l.Result.Decisions...) {
		if err := add(cmp.Or(l.Device, device), record); err != nil {
			return err
		}
	}
	return nil
}

// unasked is how many asks no target is asked for: they get something kept, if
// there is any, or nothing.
func unasked(t *replay.Totals) int { return t.Routes["none"] + t.Routes["stale"] + t.Routes["default"] }

func printForecasts(w io.Writer, before, after text, all []forecast) {
	fmt.Fprintf(w, "%s (%s) -> %s (%s)\n", before, before.Source, after, after.Source)
	t := link.NewTable(w, "device", "asks", "changed", "local share", "cost USD", "nobody asked", "latency ms", "the device")
	for _, f := range all {
		verdict := "takes it"
		if !f.Taken {
			verdict = "refuses it: " + f.Reason
		}
		b, a := &f.Before, &f.After
		t.Row(f.Device, fmt.Sprint(f.Asks), fmt.Sprint(f.Changed), fmt.Sprintf("%.1f %% -> %.1f %%", 100*b.LocalShare, 100*a.LocalShare),
			fmt.Sprintf("%.6f -> %.6f", b.CostUSD, a.CostUSD), fmt.Sprintf("%d -> %d", unasked(b), unasked(a)),
			fmt.Sprintf("%.0f -> %.0f", b.MS, a.MS), verdict)
	}
	t.End()
	for _, f := range all {
		if f.Detail != "" {
			fmt.Fprintf(w, "%s: %s\n", f.Device, f.Detail)
		}
	}
}
