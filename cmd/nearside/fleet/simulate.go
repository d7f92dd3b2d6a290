package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/agent/config/written"
	"nearside/cloud/fleet/simulate"
	"nearside/cloud/push"
	"nearside/cmd/nearside/shell"
	"nearside/policy"
	"nearside/policy/seal"
)

// simulation is what nearside fleet simulate is asked for.
type simulation struct {
	options simulate.Options
	broker  string
	root    string
	rings   []string
	length  time.Duration
	pace    time.Duration
}

func simulateCmd(g *shell.Globals) *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use: "simulate", Short: "Run light devices against a broker, to rehearse a rollout or load a broker", Args: cobra.NoArgs,
		Long: `Run many light devices in this process. Each has a session of its own with the
broker, verifies what comes, runs the real steps from received to confirmed or
rolled back, and reports; only its store and its engine are made up. What comes of
its asks follows from the policy in force: a policy that answers hard questions on
the device does so poorly, one that refuses refuses.

A device is named PREFIX-00001 and so on. It logs in with --password-file as the
user of that name, or with --certs as the owner of FOLDER/NAME.crt and NAME.key.
How the devices are is printed every second until Ctrl-C, or for as long as --for
says.`,
		Example: `  nearside fleet simulate --devices 200 --broker tcp://127.0.0.1:1883 --tenant acme --channel stable --root root.json --ring canary=5 --ring all`,
		RunE:    func(c *cobra.Command, _ []string) error { return s.run(c, g) },
	}
	f, o := c.Flags(), &s.options
	f.IntVar(&o.Devices, "devices", 100, "run `N` devices")
	f.StringVar(&o.Prefix, "prefix", "sim", "of their names: `PREFIX`-00001")
	f.StringVar(&s.broker, "broker", "", "`URL` of the broker")
	f.StringVar(&o.Link.TLS.CA, "ca", "", "`FILE` of the broker's authority (default what the system trusts)")
	f.StringVar(&o.Certs, "certs", "", "`FOLDER` with NAME.crt and NAME.key of each device")
	f.StringVar(&o.Link.PasswordFile, "password-file", "", "`FILE` of the password that all devices have")
	f.StringVar(&o.Tenant, "tenant", "", "their tenant `T`")
	f.StringVar(&o.Channel, "channel", "", "their channel `C`")
	f.StringVar(&s.root, "root", "", "`FILE` of the root that they trust")
	f.StringArrayVar(&s.rings, "ring", nil, "`NAME` of a ring, with =PERCENT of the devices; several, the last takes the rest")
	f.Float64Var(&o.Rate, "rate", 1, "asks a `SECOND` and device")
	f.DurationVar(&o.Spread, "spread", 10*time.Second, "they come up at random over this `TIME`")
	f.DurationVar(&s.length, "for", 0, "end after this `TIME`")
	f.DurationVar(&s.pace, "reconnect", 0, "they come back at random over this `TIME` after a connection was lost (default 30s, as devices do)")
	for _, name := range []string{"broker", "tenant", "channel", "root"} {
		_ = c.MarkFlagRequired(name)
	}
	_ = c.MarkFlagFilename("root", "json")
	return c
}

func (s *simulation) run(c *cobra.Command, g *shell.Globals) error {
	if err := s.fill(); err != nil {
		return shell.BadInput(err)
	}
	fleet, err := simulate.New(s.options)
	if err != nil {
		return shell.BadInput(err)
	}
	ctx := c.Context()
	if s.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.length)
		defer cancel()
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { fleet.Run(ctx) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := printCounts(c, g, time.Since(began), fleet.Count()); err != nil {
				return err
			}
		}
	}
}

// fill completes the options with what is not a flag of its own form.
func (s *simulation) fill() error {
	o := &s.options
	text, err := strict.ReadFile(s.root, seal.MaxBytes)
	if err != nil {
		return fmt.Errorf("read --root: %w", err)
	}
	if o.Rings, err = rings(s.rings); err != nil {
		return err
	}
	o.Root, o.Built, o.Link.Brokers = text, time.Now(), []string{s.broker}
	o.Link.Pace = push.Pace{First: s.pace}
	o.Own, _, _ = written.DefaultPolicy()
	o.Read = (&reader{known: map[string]*once{}}).read
	return nil
}

// rings reads NAME or NAME=PERCENT.
func rings(list []string) ([]simulate.Ring, error) {
	if len(list) == 0 {
		list = []string{"all"}
	}
	var all []simulate.Ring
	for i, text := range list {
		name, share, given := strings.Cut(text, "=")
		pct, err := strconv.ParseFloat(share, 64)
		if given && (err != nil || !(pct >= 0 && pct <= 100)) || !given && i < len(list)-1 {
			return nil, fmt.Errorf("--ring %q: give NAME=PERCENT; only the last may be a NAME", text)
		}
		all = append(all, simulate.Ring{Name: name, Share: pct / 100})
	}
	return all, nil
}

// maxTexts bounds the policies that a reader remembers.
const maxTexts = 64

// reader reads each policy once, since thousands of devices get the same.
type reader struct {
	mu    sync.Mutex // guards known
	known map[string]*once
}

type once struct {
	sync.Once
	doc *policy.Document
	err error
}

func (r *reader) read(text string) (*policy.Document, error) {
	r.mu.Lock()
	if r.known[text] == nil && len(r.known) < maxTexts {
		r.known[text] = &once{}
	}
	o := r.known[text]
	r.mu.Unlock()
	if o == nil {
		o = &once{}
	}
	o.Do(func() {
		draft := written.Read("policy", []byte(text))
		if o.doc, o.err = draft.Doc, draft.Check(); o.err != nil {
			o.err = &seal.Refusal{Reason: "invalid", Detail: o.err.Error()}
		}
	})
	return o.doc, o.err
}

// printCounts prints a line of how the devices are.
func printCounts(c *cobra.Command, g *shell.Globals, at time.Duration, n simulate.Counts) error {
	if g.JSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(struct {
			At float64 `json:"t_s"`
			simulate.Counts
		}{at.Seconds(), n})
	}
	line := fmt.Sprintf("%4.0f s  %d of %d connected", at.Seconds(), n.Connected, n.Devices)
	for _, group := range []map[string]int{n.States, n.Refusals} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			line += fmt.Sprintf("  %s: %d", name, group[name])
		}
	}
	if n.Why != "" {
		line += "  not connected: " + n.Why
	}
	_, err := io.WriteString(c.OutOrStdout(), line+"\n")
	return err
}
