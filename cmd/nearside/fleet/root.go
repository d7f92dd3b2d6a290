package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
	"nearside/policy/seal"
)

// rootMaking is what nearside fleet root is asked for.
type rootMaking struct {
	keys      []string
	signers   link.Keys
	previous  string
	threshold int
	version   int64
	epoch     int64
	tenant    string
	expires   string
	out       string
	partial   bool
}

func rootCmd(g *shell.Globals) *cobra.Command {
	var m rootMaking
	c := &cobra.Command{
		Use: "root", Short: "Make the document that says whose signatures count", Args: cobra.NoArgs,
		Long: `Make a root: the keys of a fleet, and how many of them must sign whatever it is
sent. Devices trust version 1 because it lies where remote.root says. Every later
one is signed by enough keys of the one before it (--previous) and by enough of
its own; a key that it does not list is revoked. Where some signatures are to come
from other machines, --partial writes what there is, and there
nearside fleet sign --add adds the others.

Without --previous a later version begins a line of its own, for a fleet whose
keys were lost: devices take it from their remote.root alone.`,
		Example: `  nearside fleet root --key a.key.pub --key b.key.pub --key c.key.pub --threshold 2 --version 1 --out root.json
  nearside fleet root --previous root.json --sign a.key --sign b.key --sign d.key --key b.key.pub --key d.key.pub --threshold 2 --version 2 --out root2.json`,
		RunE: func(c *cobra.Command, _ []string) error { return m.run(c, g) },
	}
	f := c.Flags()
	f.StringArrayVar(&m.keys, "key", nil, "public key of the root: `FILE`, or agent:KEYID; several")
	f.IntVar(&m.threshold, "threshold", 0, "how many keys must sign; may be left out for one key")
	f.Int64Var(&m.version, "version", 0, "`NUMBER` of the root (default 1, or one more than the previous)")
	f.StringVar(&m.previous, "previous", "", "root `FILE` that this one follows")
	m.signers.Add(c, "sign", "sign the root with "+signer.Usage+"; several")
	f.StringVar(&m.tenant, "tenant", "", "count only for the tenant `T` (default that of the previous)")
	f.Int64Var(&m.epoch, "epoch", -1, "take no document of an epoch below `N` (default that of the previous)")
	f.StringVar(&m.expires, "expires", "", "take nothing new by this root after `TIME`, as 2027-01-31T00:00:00Z or from now on as 8760h")
	f.BoolVar(&m.partial, "partial", false, "write the root though signatures lack")
	f.StringVar(&m.out, "out", "", "write the root to `FILE`; - is standard output")
	for _, name := range []string{"key", "out"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

// rootMade is a root that was written, for programs.
type rootMade struct {
	File      string   `json:"file"`
	Version   int64    `json:"version"`
	Threshold int      `json:"threshold"`
	Keys      []string `json:"keys"`
	Lacks     string   `json:"lacks,omitempty"`
}

func (m *rootMaking) run(c *cobra.Command, g *shell.Globals) error {
	before, err := m.before()
	if err != nil {
		return err
	}
	root, err := m.root(c, before)
	if err != nil {
		return shell.BadInput(err)
	}
	file, err := m.sign(c, root)
	if err != nil {
		return err
	}
	lacks := lacking(before, root, file)
	if lacks != nil && !m.partial {
		return shell.Refused(fmt.Errorf("no device would take this root: %w; sign with more keys, or write it with --partial for others to add theirs", lacks))
	}
	if err := m.put(c, g, file); err != nil {
		return fmt.Errorf("write the root: %w", err)
	}
	made := rootMade{m.out, root.Version, root.Threshold, keyIDs(root), ""}
	line := fmt.Sprintf("%s: root %d, %d of %d keys (%s)", m.out, root.Version, root.Threshold, len(root.Keys), strings.Join(made.Keys, ", "))
	if lacks != nil {
		made.Lacks = lacks.Error()
		line += "\nnot enough signatures yet: " + made.Lacks
	}
	return tell(c, g, made, line)
}

// put writes the root, over no other.
func (m *rootMaking) put(c *cobra.Command, g *shell.Globals, file []byte) error {
	out := shell.Out{Path: m.out}
	if !out.Printed() {
		return putNew(m.out, file, 0o644)
	}
	if err := out.Open(c, g); err != nil {
		return shell.BadInput(err)
	}
	return out.Write(file, 0o644)
}

// before is the root that this one follows, nil for none.
func (m *rootMaking) before() (*seal.Root, error) {
	if m.previous == "" {
		return nil, nil
	}
	return readRoot(m.previous)
}

// readRoot reads the file of a root that is trusted.
func readRoot(path string) (*seal.Root, error) {
	text, err := strict.ReadFile(path, 2*seal.MaxBytes)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	root, err := seal.ParseRoot(text)
	if err != nil {
		return nil, shell.Refused(fmt.Errorf("%s: %w", path, err))
	}
	return root, nil
}

// root is what is asked for; what is left out is as before.
func (m *rootMaking) root(c *cobra.Command, before *seal.Root) (*seal.Root, error) {
	r := &seal.Root{Version: 1, Threshold: m.threshold}
	if before != nil {
		r.Version, r.Epoch, r.Tenant = before.Version+1, before.Epoch, before.Tenant
	}
	if m.version != 0 && before != nil && m.version != r.Version {
		return nil, fmt.Errorf("--version must be %d, one more than the previous", r.Version)
	}
	if m.version != 0 {
		r.Version = m.version
	}
	if m.tenant != "" {
		r.Tenant = m.tenant
	}
	if m.epoch >= 0 {
		r.Epoch = m.epoch
	}
	if m.threshold == 0 && len(m.keys) == 1 {
		r.Threshold = 1
	}
	if r.Threshold < 1 || r.Threshold > len(m.keys) {
		return nil, fmt.Errorf("--threshold must say how many of the %d keys must sign, 1 to %d", len(m.keys), len(m.keys))
	}
	var err error
	if r.Expires, err = moment("expires", m.expires, time.Now()); err != nil {
		return nil, err
	}
	if !r.Expires.IsZero() && !r.Expires.After(time.Now()) {
		return nil, errors.New("--expires is past; devices would take nothing by this root")
	}
	r.Keys, err = publicKeys(c, m.keys)
	return r, err
}

func publicKeys(c *cobra.Command, names []string) ([]seal.Key, error) {
	var keys []seal.Key
	for _, name := range names {
		k, err := signer.Public(c.Context(), name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys, k) {
			return nil, fmt.Errorf("%s is a key that was named before", name)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// sign is the root's envelope, with all signatures that are to be had here.
func (m *rootMaking) sign(c *cobra.Command, r *seal.Root) ([]byte, error) {
	payload, err := r.Encode()
	if err != nil {
		return nil, shell.BadInput(err)
	}
	with, err := m.signers.Open(c)
	if err != nil {
		return nil, err
	}
	return seal.Sign(seal.RootType, payload, with...)
}

// lacking is why devices would not take the root, nil when they would.
func lacking(before, root *seal.Root, file []byte) error {
	if before == nil {
		_, err := seal.ParseRoot(file)
		return named(err, nil, root, file)
	}
	_, err := before.Next(file)
	return named(err, before, root, file)
}

// named adds to a root's refusal which keys have not signed.
func named(err error, before, root *seal.Root, file []byte) error {
	if err == nil {
		return nil
	}
	parts := []string{}
	for _, r := range []*seal.Root{before, root} {
		if r == nil {
			continue
		}
		if lack := missing(r, file); len(r.Keys)-len(lack) < r.Threshold {
			parts = append(parts, fmt.Sprintf("root %d wants %d signatures, and has not those of %s", r.Version, r.Threshold, strings.Join(lack, ", ")))
		}
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(parts, "; "))
}

// missing lists the keys of the root that have not signed the envelope.
func missing(r *seal.Root, envelope []byte) []string {
	e, err := seal.Open(envelope)
	if err != nil {
		return keyIDs(r)
	}
	return slices.DeleteFunc(keyIDs(r), func(id string) bool {
		return slices.ContainsFunc(e.Signatures, func(s seal.Signature) bool { return s.KeyID == id })
	})
}

func keyIDs(r *seal.Root) []string {
	ids := []string{}
	for _, k := range r.Keys {
		ids = append(ids, k.ID())
	}
	return ids
}

// moment reads a time of RFC 3339, or a duration from now on; "" is none.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--%s must be a time such as 2027-01-31T12:00:00Z or a duration from now on such as 720h, not %q", flag, text)
	}
	return t, nil
}
