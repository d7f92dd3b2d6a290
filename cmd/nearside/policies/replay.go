package policies

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/shell"
	"nearside/policy"
	"nearside/policy/replay"
)

// replayFlags say which decisions are replayed.
type replayFlags struct {
	since time.Duration
	file  string
	save  string
	old   []string
}

func replayCmd(g *shell.Globals) *cobra.Command {
	f := &replayFlags{}
	c := &cobra.Command{
		Use: "replay NEW", Short: "Decide recorded asks again by another policy: what would change", Args: cobra.ExactArgs(1),
		Long: `Decide the asks of the daemon's history again, by the policy they had and by a new
one: which routes change, from what to what, and what that does to the local share,
quality, latency, cost and metered bytes. Where the same target is asked first the
outcome is the recorded one; where not, it is estimated from the figures the target
had at the time. NEW is a policy file or profile:NAME. Old policies are known by
their digest: the config's, those built in, and those given with --old; an ask of
another one counts as it was recorded.`,
		Example: `  nearside policy replay mine.yaml
  nearside policy replay profile:default --since 168h --json
  nearside policy replay mine.yaml --file records.jsonl --old before.yaml`,
		ValidArgsFunction: shell.YAMLFiles,
		RunE:              func(c *cobra.Command, args []string) error { return f.run(c, g, args[0]) },
	}
	c.Flags().DurationVar(&f.since, "since", 24*time.Hour, "how far to go back; 0 is all there is, as is a file when this is left out")
	c.Flags().StringVar(&f.file, "file", "", "read records from `FILE`, one in a line, or - for standard input, not from the daemon")
	c.Flags().StringVar(&f.save, "save", "", "keep the records that were read in `FILE`, one in a line, for --file")
	c.Flags().StringArrayVar(&f.old, "old", nil, "a policy `FILE` that was in force; may be given often")
	_ = c.MarkFlagFilename("old", "yaml", "yml")
	return c
}

func (f *replayFlags) run(c *cobra.Command, g *shell.Globals, name string) error {
	p, err := Named(name)
	if err != nil {
		return err
	}
	old, err := f.known(g)
	if err != nil {
		return err
	}
	if f.since < 0 {
		return shell.Usage("--since must not be negative")
	}
	o := replay.Options{New: p.Doc, Old: old, Workers: runtime.GOMAXPROCS(0)}
	if f.since > 0 && (f.file == "" || c.Flags().Changed("since")) {
		o.Since = time.Now().Add(-f.since)
	}
	report, err := f.replay(c, g, o)
	if err != nil {
		return err
	}
	if report.Records == 0 {
		return nothingReplayed(report)
	}
	if g.JSON {
		return shell.PrintJSON(c, struct {
			New    string `json:"new"`
			Source string `json:"source"`
			*replay.Report
		}{p.String(), p.Source, report})
	}
	printReport(c.OutOrStdout(), p, report)
	return nil
}

// nothingReplayed says why there is no report.
func nothingReplayed(r *replay.Report) error {
	if r.Unreadable > 0 {
		return shell.Usage("no record could be read; %s", r.Faults[0])
	}
	return errors.New("there is no decision to replay; see --since")
}

// known are the old policies that are at hand, by their label in records.
func (f *replayFlags) known(g *shell.Globals) (map[string]*policy.Document, error) {
	all := map[string]*policy.Document{}
	for _, name := range profiles() {
		p, err := profile(name)
		if err != nil {
			return nil, err
		}
		all[p.String()] = p.Doc
	}
	if p, err := new(policyFlags).load(g); err == nil { // one that cannot be read now is not at hand
		all[p.String()] = p.Doc
	}
	for _, path := range f.old {
		p, err := Named(path)
		if err != nil {
			return nil, err
		}
		all[p.String()] = p.Doc
	}
	return all, nil
}

// replay runs the records of the file or of the daemon through both policies.
func (f *replayFlags) replay(c *cobra.Command, g *shell.Globals, o replay.Options) (*replay.Report, error) {
	records, closeFile, err := f.source(c, g, o.Since)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	save, err := f.saver()
	if err != nil {
		return nil, err
	}
	var failed error
	report := replay.Run(o, func(yield func([]byte) bool) {
		failed = records(func(record []byte) bool { return save.add(record) && yield(record) })
	})
	return report, errors.Join(failed, save.end())
}

// source is where records come from, and what ends it.
func (f *replayFlags) source(c *cobra.Command, g *shell.Globals, since time.Time) (func(func([]byte) bool) error, func() error, error) {
	none := func() error { return nil }
	switch f.file {
	case "":
		return func(yield func([]byte) bool) error { return history(c.Context(), g, since, yield) }, none, nil
	case "-":
		return func(yield func([]byte) bool) error { return recordLines(c.InOrStdin(), "standard input", yield) }, none, nil
	}
	file, err := os.Open(f.file)
	if err != nil {
		return nil, none, shell.Usage("read records: %w", err)
	}
	return func(yield func([]byte) bool) error { return recordLines(file, f.file, yield) }, file.Close, nil
}

// keeper writes records to a file, which it opens with the first of them, so
// that what was saved before is not lost for nothing; the nil keeper writes
// nothing.
type keeper struct {
	path string
	file *os.File
	w    *bufio.Writer
	err  error
}

// saver is the keeper that --save wants.
func (f *replayFlags) saver() (*keeper, error) {
	if f.save == "" {
		return nil, nil
	}
	from, err := os.Stat(f.file)
	if to, also := os.Stat(f.save); err == nil && also == nil && os.SameFile(from, to) {
		return nil, shell.Usage("--save would write over %s while it is read; name another file", f.file)
	}
	return &keeper{path: f.save}, nil
}

// add takes a record; what cannot be written is for end.
func (k *keeper) add(record []byte) bool {
	if k == nil || k.err != nil {
		return true
	}
	if k.file == nil {
		k.file, k.err = os.OpenFile(k.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		k.w = bufio.NewWriter(k.file)
	}
	_, _ = k.w.Write(record)
	_ = k.w.WriteByte('\n')
	return true
}

func (k *keeper) end() error {
	if k == nil || k.file == nil && k.err == nil {
		return nil
	}
	err := k.err
	if err == nil {
		err = errors.Join(k.w.Flush(), k.file.Close())
	}
	if err != nil {
		return fmt.Errorf("save records: %w", err)
	}
	return nil
}

// recordLines gives the records of a text: one in a line, or a page of the
// daemon's list.
func recordLines(r io.Reader, name string, yield func([]byte) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, pageBytes)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var page historyPage
		if bytes.HasPrefix(line, []byte(`{"data"`)) && json.Unmarshal(line, &page) == nil {
			for _, record := range page.Data {
				yield(record)
			}
			continue
		}
		yield(bytes.Clone(line))
	}
	if err := lines.Err(); err != nil {
		return shell.Usage("read records: %s:%d: %w", name, n+1, err)
	}
	return nil
}

// historyPage is one page of the daemon's decisions, and pageBytes the most
// that one may take.
type historyPage struct {
	Data []json.RawMessage `json:"data"`
}

const (
	pageBytes = 64 << 20
	pageSize  = 1000
)

// longest is how long a request can take: so much later than its time, which is
// its beginning, it may have been recorded.
const longest = time.Hour

// history gives the daemon's decisions since a moment, the last recorded first.
func history(ctx context.Context, g *shell.Globals, since time.Time, yield func([]byte) bool) error {
	d, err := g.Daemon()
	if err != nil {
		return err
	}
	for before := ""; ; {
		var page historyPage
		q := url.Values{"limit": {fmt.Sprint(pageSize)}, "before": {before}}
		if err := d.Get(ctx, "/v1/decisions?"+q.Encode(), &page); err != nil {
			return err
		}
		for _, record := range page.Data {
			yield(record)
		}
		if len(page.Data) < pageSize {
			return nil
		}
		var last struct {
			ID   string    `json:"id"`
			Time time.Time `json:"time"`
		}
		if err := json.Unmarshal(page.Data[len(page.Data)-1], &last); err != nil {
			return fmt.Errorf("read decisions: %w", err)
		}
		if last.Time.Before(since.Add(-longest)) || last.ID == before {
			return nil
		}
		before = last.ID
	}
}
