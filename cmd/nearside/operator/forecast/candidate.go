// Package forecast is what is told of a candidate before it is sent: how it
// differs from what is there, and what it would have made of the recent asks of
// devices. Nothing is published by it.
package forecast

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nearside/agent"
	"nearside/agent/config/strict"
	"nearside/agent/config/written"
	"nearside/cloud/fleet"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/operator/views"
	"nearside/cmd/nearside/policies"
	"nearside/cmd/nearside/shell"
	"nearside/policy/cases"
	"nearside/policy/diff"
	"nearside/policy/seal"
)

// text is a policy as it is written, and what it means.
type text struct {
	*agent.Policy
	body string
}

// read is the policy of a file, an envelope or profile:NAME.
func read(name string) (text, error) {
	if profile, ok := strings.CutPrefix(name, written.ProfilePrefix); ok {
		doc, digest, body, err := written.Profile(profile)
		if err != nil {
			return text{}, shell.BadInput(err)
		}
		return text{&agent.Policy{Doc: doc, Digest: digest, Source: name}, body}, nil
	}
	b, err := strict.ReadFile(name, seal.MaxBytes+1)
	if err != nil {
		return text{}, shell.BadInput(err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) && bytes.Contains(b, []byte(`"payloadType"`)) {
		return opened(name, b)
	}
	return parsed(name, "", string(b))
}

// opened is the policy that an envelope holds, whoever signed it.
func opened(name string, envelope []byte) (text, error) {
	doc, err := fleet.OpenCandidate(envelope)
	if err != nil {
		return text{}, link.Coded(fmt.Errorf("%s: %w", name, err))
	}
	if doc.Payload.Kind != seal.KindPolicy {
		return text{}, shell.Usage("%s holds %s; only policies can be compared", name, doc.Payload.Kind)
	}
	t, err := parsed(name, doc.Digest, doc.Payload.Body)
	if err == nil {
		t.Doc.Version = int(doc.Payload.Version)
	}
	return t, err
}

func parsed(name, digest, body string) (text, error) {
	draft := written.Read(name, []byte(body))
	if err := draft.Check(); err != nil {
		return text{}, shell.BadInput(err)
	}
	if digest == "" {
		digest = draft.Digest
	}
	return text{&agent.Policy{Doc: draft.Doc, Digest: digest, Source: name}, body}, nil
}

// differing is one nearside fleet diff.
type differing struct {
	link.Link
	ring string
}

// Diff is nearside fleet diff.
func Diff(g *shell.Globals) *cobra.Command {
	d := &differing{}
	c := &cobra.Command{
		Use: "diff CANDIDATE [BEFORE]", Short: "Compare a candidate with what is published, or with another document, by what they mean", Args: cobra.RangeArgs(1, 2),
		Long: `Compare a candidate with another document, or with what a ring's topic retains, by
what they mean: settings, rules, and the asks that go elsewhere. Each is an
envelope, a policy file or profile:NAME. With --ring it is told, too, how many
devices of the ring apply something else than what is retained there. Ends with 0
whether they differ or not.`,
		Example: `  nearside fleet diff policy.dsse --ring canary
  nearside fleet diff policy.dsse before.dsse --json`,
		RunE: func(c *cobra.Command, args []string) error { return d.run(c, g, args) },
	}
	d.Link.Add(c)
	c.Flags().StringVar(&d.ring, "ring", "", "compare with what ring `NAME` retains")
	return c
}

func (d *differing) run(c *cobra.Command, g *shell.Globals, args []string) error {
	if (len(args) == 2) == (d.ring != "") {
		return shell.Usage("give a document to compare with, or --ring")
	}
	after, err := read(args[0])
	if err != nil {
		return err
	}
	if len(args) == 2 {
		before, err := read(args[1])
		if err != nil {
			return err
		}
		return d.tell(c, g, before, after, nil)
	}
	f, err := d.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := d.retained(f)
	if err != nil {
		return err
	}
	return d.tell(c, g, before, after, views.Versions(f, d.ring))
}

// retained is the policy that the ring's topic retains.
func (d *differing) retained(f *fleet.Fleet) (text, error) {
	envelope := f.Envelope(d.ring, seal.KindPolicy)
	if said := link.Unknown(f, []string{d.ring}, nil); said != "" {
		return text{}, shell.Usage("%s", said)
	}
	if envelope == nil {
		return text{}, errors.New("ring " + d.ring + " retains no policy; its devices apply their own")
	}
	return opened("ring "+d.ring, envelope)
}

func (d *differing) tell(c *cobra.Command, g *shell.Globals, before, after text, applied []views.Version) error {
	r := diff.Compare(before.Doc, after.Doc, cases.Fleet())
	if g.JSON {
		return shell.PrintJSON(c, struct {
			Before  string          `json:"before"`
			After   string          `json:"after"`
			Applied []views.Version `json:"applied,omitempty"`
			*diff.Report
		}{before.String(), after.String(), applied, r})
	}
	policies.PrintDiff(c.OutOrStdout(), before.Policy, after.Policy, r)
	for _, v := range applied {
		line := fmt.Sprintf("%s %s on %d devices", views.Label(v.Version, v.Digest), v.State, v.Devices)
		if v.Digest != before.Digest {
			line += ", which is not what is compared here"
		}
		fmt.Fprintln(c.OutOrStdout(), fleet.Printable(line, 2*link.MaxCell))
	}
	return nil
}
