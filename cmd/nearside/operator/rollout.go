package operator

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cloud/fleet/stages"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/operator/views"
	"nearside/cmd/nearside/shell"
	"nearside/policy/seal"
)

// rolling is one nearside fleet rollout.
type rolling struct {
	link.Link
	ahead   link.Ahead
	rings   []string
	shares  []float64
	id      string
	list    bool
	soak    time.Duration
	timeout time.Duration
	limits  stages.Limits
}

func rolloutCmd(g *shell.Globals) *cobra.Command {
	r := &rolling{}
	c := &cobra.Command{
		Use: "rollout ENVELOPE", Short: "Roll a signed document out in stages; it aborts itself when devices fail", Args: cobra.MaximumNArgs(1),
		Long: `Roll a signed document out in stages. With --stages a share of all rings gets it,
then a larger one, up to 100 %; without, the rings get it one after the other.
A stage has passed when its devices that are online have reported and --soak has
gone by. The same envelope serves all stages, so keys can stay offline.

It aborts itself when more than --abort-share of the devices of a stage fail, and
at least --abort-min of them, or when half of a stage does: what it published is
cleared, and what is to be done for the devices that have it is said. A device
that is online and says nothing for --device-timeout counts as failed.

The broker retains how far it is. A process that is killed does no harm: --id ID,
or the same envelope again, goes on from there, on any machine; of two processes
the one that came last drives and the other lets go. Ends with 0 when it is done,
with 3 when it was aborted.`,
		Example: `  nearside fleet rollout --ring canary --ring all --stages 1,10,100 policy.dsse
  nearside fleet rollout --rings canary,early,all --soak 30m --until confirmed policy.dsse
  nearside fleet rollout --id policy-8-1f2e3d4c
  nearside fleet rollout --list`,
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, g, args) },
	}
	r.Link.Add(c)
	r.ahead.Add(c)
	r.flags(c)
	return c
}

func (r *rolling) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&r.rings, "rings", nil, "`NAMES` of rings, in their order")
	f.StringSliceVar(&r.rings, "ring", nil, "`NAME` of a ring; the same as --rings")
	f.Float64SliceVar(&r.shares, "stages", nil, "shares of all rings in `PER CENT`, rising to 100 (default: ring after ring)")
	f.StringVar(&r.id, "id", "", "go on with rollout `ID`")
	f.BoolVar(&r.list, "list", false, "list the rollouts there are")
	f.DurationVar(&r.soak, "soak", 5*time.Minute, "how `LONG` a stage is watched after its devices have reported")
	f.DurationVar(&r.timeout, "device-timeout", 10*time.Minute, "how `LONG` a device that is online may say nothing")
	f.Float64Var(&r.limits.AbortShare, "abort-share", 0.05, "`SHARE` of the devices of a stage that may fail, 0 to 1")
	f.IntVar(&r.limits.AbortMin, "abort-min", 3, "`COUNT` of failures below which the share does not matter")
	f.StringVar(&r.limits.Until, "until", stages.UntilConfirmed, "a device is well when it is `applied` or confirmed")
	_ = c.RegisterFlagCompletionFunc("until", cobra.FixedCompletions([]string{stages.UntilApplied, stages.UntilConfirmed}, cobra.ShellCompDirectiveNoFileComp))
}

func (r *rolling) run(c *cobra.Command, g *shell.Globals, args []string) error {
	switch {
	case r.list && (r.id != "" || len(args) > 0):
		return shell.Usage("--list takes neither --id nor an envelope")
	case r.list:
		return r.lists(c, g)
	case (r.id != "") == (len(args) == 1):
		return shell.Usage("give an envelope, or --id ID of a rollout to go on with")
	}
	o, err := r.Options()
	if err != nil {
		return err
	}
	begin, err := r.beginning(args, o.Root)
	if err != nil {
		return err
	}
	f, err := link.Open(c, o)
	if err != nil {
		return err
	}
	record, err := begin(f)
	if err != nil {
		f.Close()
		return link.Coded(err)
	}
	if r.id == "" && record.Rev > 1 {
		fmt.Fprintln(c.ErrOrStderr(), "this document is being rolled out already: it goes on from there, in the stages and within the limits it began with")
	}
	return r.drive(c, g, f, record)
}

// beginning checks all that can be checked without a broker, and gives what
// makes the record.
func (r *rolling) beginning(args []string, root *seal.Root) (func(*fleet.Fleet) (stages.Rollout, error), error) {
	if r.id != "" {
		return func(f *fleet.Fleet) (stages.Rollout, error) { return r.resumed(f, root) }, nil
	}
	plan, err := stages.Plan(r.rings, r.shares)
	if err != nil {
		return nil, shell.Usage("--rings and --stages: %w", err)
	}
	r.limits.SoakMS, r.limits.TimeoutMS = r.soak.Milliseconds(), r.timeout.Milliseconds()
	if err := r.limits.Check(); err != nil {
		return nil, shell.Usage("%s", inFlags.Replace(err.Error()))
	}
	envelope, err := strict.ReadFile(args[0], seal.MaxBytes+1)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	doc, err := r.Candidate(envelope, root)
	if err != nil {
		return nil, err
	}
	if len(envelope) > stages.MaxEnvelope {
		return nil, shell.Usage("the envelope has %d bytes; at most %d fit into a rollout; push it, or put large parts into files of it", len(envelope), stages.MaxEnvelope)
	}
	return func(f *fleet.Fleet) (stages.Rollout, error) {
		if err := r.ahead.Check(f, r.rings, nil); err != nil {
			return stages.Rollout{}, err
		}
		return f.Begin(doc, plan, r.limits, time.Now().UTC())
	}, nil
}

// inFlags are the limits of a rollout by the flags that set them.
var inFlags = strings.NewReplacer("limits.abort_share", "--abort-share", "limits.abort_min", "--abort-min", "limits.until", "--until",
	"limits.timeout_ms", "--device-timeout in ms", "limits.soak_ms", "--soak in ms")

// resumed is the record of a rollout that goes on; where a root is at hand its
// envelope is held against that, for anybody could have written the record.
func (r *rolling) resumed(f *fleet.Fleet, root *seal.Root) (stages.Rollout, error) {
	record, err := f.Resume(r.id, time.Now().UTC())
	if err == nil && root != nil {
		_, err = root.Read([]byte(record.Envelope))
	}
	return record, err
}

// drive takes the rollout on, over lost connections, and says how it ended.
func (r *rolling) drive(c *cobra.Command, g *shell.Globals, f *fleet.Fleet, record stages.Rollout) error {
	v := newProgress(c, g)
	v.begin(&record)
	for {
		end, err := f.Drive(c.Context(), record, v.look)
		f.Close()
		v.end()
		switch {
		case err == nil:
			return r.ended(c, g, &end)
		case errors.Is(err, broker.ErrLost):
		case c.Context().Err() != nil:
			fmt.Fprintf(c.ErrOrStderr(), "rollout %s stands still at stage %d of %d; go on with: nearside fleet rollout --id %s\n", end.ID, end.Stage+1, len(end.Stages), end.ID)
			return err
		default:
			return link.Coded(err)
		}
		fmt.Fprintln(c.ErrOrStderr(), "the connection to the broker was lost; trying again")
		if f, err = r.Again(c); err != nil {
			return err
		}
		if held := f.Rollout(end.ID); held != nil && stages.Newer(held, &end) {
			f.Close()
			return fmt.Errorf("%w: %s", fleet.ErrTakenOver, held.By)
		}
		record = end.TakeOver(end.By, time.Now().UTC())
	}
}

// ended says how a rollout ended.
func (r *rolling) ended(c *cobra.Command, g *shell.Globals, end *stages.Rollout) error {
	if end.State == stages.Done {
		if !g.JSON {
			fmt.Fprintf(c.OutOrStdout(), "rollout %s is done: %s\n", end.ID, countsText(&end.Counts))
		}
		return nil
	}
	return shell.Refused(fmt.Errorf("rollout %s was aborted: %s\nwhat it published is cleared; a ring that it had reached as a whole retains nothing now, so push the old document there again for new devices.\n"+
		"Devices that have it keep it, unless they rolled it back themselves. For these:\n"+
		"  nearside fleet rollback --rollout %s --key KEY ...       back to the last one that each confirmed\n"+
		"  nearside fleet sign --version %d ... OLD.yaml            or publish the old one under a higher version",
		end.ID, end.Why, end.ID, end.Version+1))
}

func (r *rolling) lists(c *cobra.Command, g *shell.Globals) error {
	f, err := r.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	all := views.Rollouts(f)
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{"rollouts": all})
	}
	t := link.NewTable(c.OutOrStdout(), "rollout", "state", "stage", "started", "by", "devices", "why")
	for _, s := range all {
		t.Row(s.ID, s.State, fmt.Sprintf("%d of %d", s.Stage, len(s.Stages)), s.Started.Format(time.DateTime), s.By, countsText(&s.Counts), s.Why)
	}
	t.End()
	return nil
}

// countsText are counts in words.
func countsText(c *stages.Counts) string {
	return counted(map[string]int{
		stages.Failed: c.Failed, stages.Late: c.Late, stages.Waiting: c.Waiting, stages.Gone: c.Gone,
		stages.Offline: c.Offline, stages.Skipped: c.Skipped, stages.Good: c.Good,
	})
}

// shareText is a stage in words.
func shareText(s *stages.Stage) string {
	return fmt.Sprintf("%g %% of %s", math.Round(s.Share*100)/100, ringsText(s.Rings))
}

func ringsText(rings []string) string {
	if len(rings) == 1 {
		return "ring " + rings[0]
	}
	return fmt.Sprint("rings ", slices.Clone(rings))
}
