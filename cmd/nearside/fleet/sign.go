package fleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/secret"
	"nearside/agent/config/strict"
	"nearside/agent/config/written"
	"nearside/agent/task"
	"nearside/cmd/nearside/kinds"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
	"nearside/policy/lint"
	"nearside/policy/seal"
)

// signing is what nearside fleet sign is asked for.
type signing struct {
	signers   link.Keys
	document  seal.Payload
	notBefore string
	notAfter  string
	pct       float64
	salt      string
	files     []string
	out       shell.Out
	add       bool
}

func signCmd(g *shell.Globals) *cobra.Command {
	var s signing
	c := &cobra.Command{
		Use: "sign FILE", Short: "Sign a policy, or another document, for devices", Args: cobra.MaximumNArgs(1),
		Long: `Sign what devices are to take: a policy, or with --kind a gate, a calibration,
prices or targets. The policy is checked as a device would check it, and its own
tests are run, before it is signed. Secrets never travel: what looks like one is
refused with its line and field.

What is too large for an envelope (64 KiB) is named with --file: devices fetch it
from the URL and hold it to its digest, which is taken from PATH now.

With --add the FILE is an envelope, or a root, that others began to sign; it gets
one signature more for each --key, in place unless --out names another file.`,
		Example: `  nearside fleet sign --key a.key --key b.key --tenant acme --channel stable --version 7 --not-after 720h --out policy.dsse policy.yaml
  nearside fleet sign --key agent: --tenant acme --channel stable --version 3 --kind gate --file car.gate=https://files.example/car.gate@car.gate --out gate.dsse
  nearside fleet sign --add --key b.key policy.dsse`,
		RunE: func(c *cobra.Command, args []string) error {
			if s.add {
				return s.more(c, g, args)
			}
			return s.run(c, g, args)
		},
	}
	s.signers.Add(c, "key", "sign with "+signer.Usage+"; several")
	s.flags(c)
	_ = c.MarkFlagRequired("key")
	return c
}

func (s *signing) flags(c *cobra.Command) {
	f, d := c.Flags(), &s.document
	f.StringVar(&d.Tenant, "tenant", "", "for devices of the tenant `T`")
	f.StringVar(&d.Channel, "channel", "", "for devices of the channel `C`")
	f.Int64Var(&d.Version, "version", 0, "`NUMBER` of the document, higher than those before it")
	f.StringArrayVar((*[]string)(&d.Audience), "audience", nil, "only for `WHO`: device:ID, ring:R, label:K=V, *, or the name of a device or ring; several")
	f.StringVar(&s.notBefore, "not-before", "", "take it only from `TIME` on, as 2027-01-31T00:00:00Z or from now on as 24h")
	f.StringVar(&s.notAfter, "not-after", "", "take it only until `TIME`, as 2027-01-31T00:00:00Z or from now on as 720h")
	f.Int64Var(&d.Epoch, "epoch", 0, "epoch `N`; documents of lower epochs are not taken after it, whatever their version")
	f.StringVar(&d.MinAgent, "min-agent", "", "only for nearside of at least version `V`")
	f.StringVar(&d.Previous, "previous", "", "only where the document with this `DIGEST` is in force")
	f.Float64Var(&s.pct, "rollout-pct", 100, "only for so many `PERCENT` of the devices, always the same for the same salt")
	f.StringVar(&s.salt, "rollout-salt", "", "divides the devices (default the version)")
	f.StringVar(&d.Kind, "kind", seal.KindPolicy, "what it is: `KIND` "+strings.Join(seal.Kinds(), ", "))
	f.StringArrayVar(&s.files, "file", nil, "large file as `NAME=URL@PATH`; several")
	f.StringVar(&s.out.Path, "out", "", "write the envelope to `FILE`; - is standard output")
	f.BoolVar(&s.add, "add", false, "add signatures to an envelope that others began to sign")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(seal.Kinds(), cobra.ShellCompDirectiveNoFileComp))
}

// run signs a new document.
func (s *signing) run(c *cobra.Command, g *shell.Globals, args []string) error {
	if err := s.named(); err != nil {
		return shell.BadInput(err)
	}
	if err := s.fits(c, g); err != nil {
		return err
	}
	if err := s.fill(c, args); err != nil {
		return shell.BadInput(err)
	}
	payload, err := s.document.Encode()
	if err == nil {
		err = s.checkKind()
	}
	if err != nil {
		return shell.BadInput(asFlags(err))
	}
	with, err := s.signers.Open(c)
	if err != nil {
		return err
	}
	envelope, err := seal.Sign(seal.PolicyType, payload, with...)
	if seal.Reason(err) == seal.TooLarge {
		return shell.BadInput(fmt.Errorf("%w; name what is large with --file", err))
	}
	if err != nil {
		return err
	}
	return s.put(c, g, envelope)
}

// named tells what the flags do not say and must, before anything is read.
func (s *signing) named() error {
	for _, f := range []struct {
		name string
		said bool
		what string
	}{
		{"out", s.out.Path != "", "where the envelope is to be written"},
		{"tenant", s.document.Tenant != "", "for whose devices it is"},
		{"channel", s.document.Channel != "", "which of these devices it is for"},
		{"version", s.document.Version != 0, "its version, higher than those before it"},
	} {
		if !f.said {
			return fmt.Errorf("--%s must say %s", f.name, f.what)
		}
	}
	return nil
}

// fits tells why the envelope could not be written there, before a person is
// asked to sign it.
func (s *signing) fits(c *cobra.Command, g *shell.Globals) error {
	if err := s.out.Open(c, g); err != nil {
		return shell.Usage("write the envelope: %w", err)
	}
	return nil
}

// inFlags are the fields of a document by the flags that fill them.
var inFlags = strings.NewReplacer("payload.tenant", "--tenant", "payload.channel", "--channel", "payload.version", "--version", "payload.audience", "--audience",
	"payload.not_before", "--not-before", "payload.not_after", "--not-after", "payload.epoch", "--epoch", "payload.min_agent", "--min-agent",
	"payload.previous", "--previous", "payload.rollout.pct", "--rollout-pct", "payload.rollout.salt", "--rollout-salt", "payload.kind", "--kind", "payload.files.", "--file: ")

// asFlags says what is wrong with a document in the words of the command line.
func asFlags(err error) error {
	var r *seal.Refusal
	if !errors.As(err, &r) || !strings.HasPrefix(inFlags.Replace(r.Detail), "--") {
		return err
	}
	return errors.New(inFlags.Replace(r.Detail))
}

// fill completes the document with what is not a flag of its own form.
func (s *signing) fill(c *cobra.Command, args []string) (err error) {
	d, now := &s.document, time.Now()
	d.Issued = now
	if d.NotBefore, err = moment("not-before", s.notBefore, now); err != nil {
		return err
	}
	if d.NotAfter, err = moment("not-after", s.notAfter, now); err != nil {
		return err
	}
	if !d.NotAfter.IsZero() && !d.NotAfter.After(now) {
		return errors.New("--not-after is past; no device would take this")
	}
	if f := c.Flags(); f.Changed("rollout-pct") || f.Changed("rollout-salt") {
		if s.salt == "" {
			s.salt = fmt.Sprint(d.Version)
		}
		d.Rollout = &seal.Rollout{Pct: s.pct, Salt: s.salt}
	}
	if d.Files, err = largeFiles(s.files); err != nil {
		return err
	}
	return s.body(c, args)
}

// body reads the text of the document and holds it to what it must be.
func (s *signing) body(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		if len(s.files) == 0 {
			return errors.New("name the FILE to sign")
		}
		return nil
	}
	text, err := strict.ReadFile(args[0], 2*seal.MaxBytes)
	if err != nil {
		return err
	}
	if leaks := secret.Leaks(text); len(leaks) > 0 {
		return fmt.Errorf("%s:%d: %sholds what looks like a secret; secrets stay on the device, and documents only name where they are", args[0], leaks[0].Line, field(leaks[0].Field))
	}
	if _, err := seal.Peek(text); err == nil {
		return fmt.Errorf("%s is an envelope already; add a signature to it with --add", args[0])
	}
	s.document.Body = string(text)
	if s.document.Kind != seal.KindPolicy {
		return nil
	}
	return s.checkPolicy(c, args[0], text)
}

// checkKind refuses a document of another kind that no device would take.
func (s *signing) checkKind() error {
	if s.document.Kind == seal.KindPolicy {
		return nil
	}
	_, err := kinds.Read(&s.document)
	return err
}

func field(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// checkPolicy refuses a policy that no device would take, and warns of what it
// says and cannot mean.
func (s *signing) checkPolicy(c *cobra.Command, path string, text []byte) error {
	draft := written.Read(path, text)
	if err := draft.Check(); err != nil {
		return err
	}
	if draft.Tests != nil {
		for _, r := range draft.Tests.Run(draft.Doc) {
			if !r.OK {
				return fmt.Errorf("%s: its own test %q does not hold; see nearside policy test --policy %s", path, r.Name, path)
			}
		}
	}
	if v := int64(draft.Doc.Version); v != s.document.Version {
		link.Warn(c, "%s says version %d; devices go by --version %d", path, v, s.document.Version)
	}
	for _, f := range lint.Check(draft.Doc, lint.Known{Tasks: task.Names()}) {
		line, column := draft.Place(f.Path)
		link.Warn(c, "%s:%d:%d: %s: %s", path, line, column, f.Path, f.Message)
	}
	return nil
}

// more adds signatures to an envelope, whatever is in it.
func (s *signing) more(c *cobra.Command, g *shell.Globals, args []string) error {
	if len(args) != 1 {
		return shell.Usage("--add needs the FILE of an envelope")
	}
	for _, name := range []string{"tenant", "channel", "version", "audience", "not-before", "not-after", "epoch", "min-agent", "previous", "rollout-pct", "rollout-salt", "kind", "file"} {
		if c.Flags().Changed(name) {
			return shell.Usage("--%s is of the document; nothing in it can change once it is signed", name)
		}
	}
	envelope, err := strict.ReadFile(args[0], 2*seal.MaxBytes)
	if err != nil {
		return shell.BadInput(err)
	}
	if _, err := look(envelope); err != nil { // nobody signs what cannot be read
		return shell.Refused(fmt.Errorf("%s: %w", args[0], err))
	}
	s.out.Path = cmp.Or(s.out.Path, args[0])
	if err := s.fits(c, g); err != nil {
		return err
	}
	with, err := s.signers.Open(c)
	if err != nil {
		return err
	}
	signed, err := seal.Add(envelope, with...)
	if err != nil {
		return err
	}
	return s.put(c, g, signed)
}

// put writes the envelope and tells what was signed.
func (s *signing) put(c *cobra.Command, g *shell.Globals, envelope []byte) error {
	if err := s.out.Write(envelope, 0o644); err != nil {
		return fmt.Errorf("write the envelope: %w", err)
	}
	view, err := look(envelope)
	if err != nil {
		return err
	}
	view.File = s.out.Path
	return tell(c, g, view, view.lines())
}

// largeFiles reads NAME=URL@PATH: size and digest are those of the file at PATH.
func largeFiles(list []string) ([]seal.File, error) {
	var files []seal.File
	for _, text := range list {
		name, rest, ok := strings.Cut(text, "=")
		at := strings.LastIndex(rest, "@")
		if !ok || at < 0 {
			return nil, fmt.Errorf("--file must be NAME=URL@PATH, such as car.gate=https://files.example/car.gate@car.gate, not %q", text)
		}
		sum, size, err := sumOf(rest[at+1:])
		if err != nil {
			return nil, err
		}
		files = append(files, seal.File{Name: name, URL: rest[:at], SHA256: sum, Bytes: size})
	}
	return files, nil
}

func sumOf(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
