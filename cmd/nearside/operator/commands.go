package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/cloud/fleet"
	"nearside/cloud/wire"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
)

// words are the commands that devices know, as people write them.
var words = [...]string{"status", "diagnose", "drain-queue", "refresh", "rollback"}

// commanding is one nearside fleet command or rollback.
type commanding struct {
	link.Link
	link.Keys
	rings   []string
	devices []string
	args    []string
	expires time.Duration
	wait    time.Duration
	out     shell.Out
	rollout string
	version int64
}

func commandCmd(g *shell.Globals) *cobra.Command {
	m := &commanding{}
	c := &cobra.Command{
		Use: "command WORD", Short: "Send a signed command to devices and wait for their answers", Args: cobra.ExactArgs(1),
		Long: `Send a signed command to devices and wait for their answers: ` + strings.Join(words[:], ", ") + `.
It is signed for the devices that are named, or for those of the rings, and for
nobody else. A device obeys it once, also when it comes twice, and until it
expires. Ends with 1 when a device that is online failed or did not answer.`,
		Example: `  nearside fleet command status --key alice.key --key bob.key --device cam-17
  nearside fleet command diagnose --key alice.key --key bob.key --ring canary --out answers.json`,
		ValidArgs: words[:],
		RunE:      func(c *cobra.Command, args []string) error { return m.run(c, g, args[0]) },
	}
	m.add(c)
	f := c.Flags()
	f.StringArrayVar(&m.args, "arg", nil, "an argument, `NAME=VALUE`")
	f.StringVar(&m.out.Path, "out", "", "write the answers to `FILE`, a line of JSON for each; - is standard output")
	return c
}

func (m *commanding) add(c *cobra.Command) {
	m.Link.Add(c)
	m.Keys.Add(c, "key", signer.Usage+"; give as many as the root wants")
	f := c.Flags()
	f.StringArrayVar(&m.rings, "ring", nil, "all devices of ring `NAME`")
	f.StringArrayVar(&m.devices, "device", nil, "`ID` of a device")
	f.DurationVar(&m.expires, "expires", 10*time.Minute, "how `LONG` it holds, for devices that are away; at most 31 days")
	f.DurationVar(&m.wait, "wait", 30*time.Second, "how `LONG` to wait for answers")
}

func rollbackCmd(g *shell.Globals) *cobra.Command {
	m := &commanding{}
	c := &cobra.Command{
		Use: "rollback", Short: "Have the devices that apply a version go back to what they had before", Args: cobra.NoArgs,
		Long: `Have devices go back to the last good policy before the one in force. Only devices
that apply that very version are told, by a signed command; it is bad to them from
then on and not taken again. Where no keys are at hand, publish the old document
under a higher version: nearside fleet sign --version N OLD.yaml.`,
		Example: `  nearside fleet rollback --rollout policy-8-1f2e3d4c --key alice.key --key bob.key
  nearside fleet rollback --version 8 --ring canary --key alice.key --key bob.key`,
		RunE: func(c *cobra.Command, _ []string) error {
			if m.rollout == "" && m.version == 0 {
				return shell.Usage("say from what: --rollout ID or --version N")
			}
			return m.run(c, g, "rollback")
		},
	}
	m.add(c)
	c.Flags().StringVar(&m.rollout, "rollout", "", "those that apply the document of rollout `ID`")
	c.Flags().Int64Var(&m.version, "version", 0, "those that apply version `N`")
	return c
}

func (m *commanding) run(c *cobra.Command, g *shell.Globals, word string) error {
	word = strings.ReplaceAll(word, "_", "-") // as devices spell it
	ask := fleet.Ask{Do: strings.ReplaceAll(word, "-", "_"), Args: map[string]string{}, Expires: m.expires}
	if !slices.Contains(words[:], word) {
		return shell.Usage("there is no command %q; devices know %s", word, strings.Join(words[:], ", "))
	}
	for _, arg := range m.args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return shell.Usage("--arg %q: want NAME=VALUE", arg)
		}
		ask.Args[name] = value
	}
	if m.rollout == "" && m.version == 0 && len(m.rings)+len(m.devices) == 0 {
		return shell.Usage("say for whom: --device or --ring")
	}
	if m.out.Path != "" {
		if err := m.out.Open(c, g); err != nil { // while nothing is sent
			return shell.Usage("write the answers: %w", err)
		}
	}
	signers, err := m.Keys.Open(c)
	if err != nil {
		return err
	}
	if len(signers) == 0 {
		return shell.Usage("a command must be signed: give --key, as many as the root wants")
	}
	ask.Signers = signers
	f, err := m.Link.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	return m.send(c, g, f, ask)
}

func (m *commanding) send(c *cobra.Command, g *shell.Globals, f *fleet.Fleet, ask fleet.Ask) error {
	meant, err := m.meant(f)
	if err != nil {
		return err
	}
	sent, err := f.Send(c.Context(), ask, meant)
	if err != nil {
		return link.Coded(err)
	}
	all, err := sent.Wait(c.Context(), m.wait)
	if err != nil {
		return link.Coded(err)
	}
	if err := m.save(all); err != nil {
		return err
	}
	if g.JSON {
		err = shell.PrintJSON(c, map[string]any{"do": ask.Do, "answers": answersOf(all)})
	} else {
		printAnswers(c.OutOrStdout(), all)
	}
	return errors.Join(err, unanswered(all))
}

// meant are the ids of the devices that the flags choose.
func (m *commanding) meant(f *fleet.Fleet) ([]string, error) {
	digest := ""
	if m.rollout != "" {
		r := f.Rollout(m.rollout)
		if r == nil {
			return nil, shell.Usage("there is no rollout %s; list them with: nearside fleet rollout --list", m.rollout)
		}
		digest = r.Digest
	}
	var all []string
	for _, d := range f.Devices() {
		a := d.Applied(wire.PolicyKind)
		switch {
		case digest != "" && a.Digest != digest, m.version != 0 && a.Version != m.version:
		case len(m.rings)+len(m.devices) == 0, slices.Contains(m.rings, d.Ring()), slices.Contains(m.devices, d.ID):
			all = append(all, d.ID)
		}
	}
	if said := link.Unknown(f, m.rings, m.devices); said != "" {
		return nil, shell.Usage("%s", said)
	}
	switch {
	case len(all) > 0:
		return all, nil
	case m.rollout != "":
		return nil, fmt.Errorf("no device that is meant applies what rollout %s published; look at nearside fleet status", m.rollout)
	case m.version != 0:
		return nil, fmt.Errorf("no device that is meant applies version %d; look at nearside fleet status", m.version)
	case len(f.Devices()) > 0:
		return nil, errors.New("no device is in a ring that is meant; look at nearside fleet status")
	}
	return nil, errors.New("no device ever came to this broker; look at nearside fleet status")
}

// answer is what a device said, for programs.
type answer struct {
	Device   string `json:"device"`
	Online   bool   `json:"online"`
	Answered bool   `json:"answered"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Result   any    `json:"result,omitempty"`
}

func answersOf(all []fleet.Answered) []answer {
	out := []answer{}
	for _, a := range all {
		x := answer{Device: a.Device, Online: a.Online}
		if a.Answer != nil {
			x.Answered, x.OK, x.Error = true, a.Answer.OK, a.Answer.Error
			if a.Answer.Result != nil {
				x.Result = link.Clean(a.Answer.Result)
			}
		}
		out = append(out, x)
	}
	return out
}

// save writes the answers to the file that --out names.
func (m *commanding) save(all []fleet.Answered) error {
	if m.out.Path == "" {
		return nil
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	for _, a := range answersOf(all) {
		if err := e.Encode(a); err != nil {
			return fmt.Errorf("write the answers: %w", err)
		}
	}
	if err := m.out.Write(text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the answers: %w", err)
	}
	return nil
}

func printAnswers(w io.Writer, all []fleet.Answered) {
	t := link.NewTable(w, "device", "online", "answer", "result")
	for _, a := range all[:min(len(all), link.MaxRows)] {
		said, result := "none yet", ""
		if a.Answer != nil {
			said, result = "ok", link.Brief(a.Answer.Result)
			if !a.Answer.OK {
				said = "failed " + a.Answer.Error
			}
		}
		t.Row(a.Device, link.Yes(a.Online), said, result)
	}
	t.End()
	if len(all) > link.MaxRows {
		fmt.Fprintf(w, "(and %d more; --json has all)\n", len(all)-link.MaxRows)
	}
}

// unanswered is the error where devices that are online failed or said nothing.
func unanswered(all []fleet.Answered) error {
	failed, silent, away := 0, 0, 0
	for _, a := range all {
		switch {
		case a.Answer != nil && !a.Answer.OK:
			failed++
		case a.Answer == nil && a.Online:
			silent++
		case a.Answer == nil:
			away++
		}
	}
	if failed+silent > 0 {
		return fmt.Errorf("%d devices failed, %d said nothing, %d are away", failed, silent, away)
	}
	return nil
}
