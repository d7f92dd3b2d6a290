// Package link is what the commands of nearside fleet share that speak with a
// broker: the way there, by flags or a file, exit codes, keys that sign, and
// tables whose cells may be of strangers.
package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
	"nearside/policy/seal"
)

// Link is the way to the fleet: flags, and a file for what they do not say.
type Link struct {
	file string

	Broker       string `json:"broker"`
	CA           string `json:"ca"`
	Cert         string `json:"cert"`
	CertKey      string `json:"cert_key"`
	User         string `json:"user"`
	PasswordFile string `json:"password_file"`
	Tenant       string `json:"tenant"`
	Root         string `json:"root"`
}

// linkHelp is said below the help of each command that has a link.
const linkHelp = `

Flags that name the fleet need not be repeated: --fleet FILE, or $NEARSIDE_FLEET, is
YAML with broker, ca, cert, cert_key, user, password_file, tenant and root; files
are named from its folder, and a flag outranks it.`

// Add gives a command the flags.
func (l *Link) Add(c *cobra.Command) {
	c.Long += linkHelp
	f := c.Flags()
	f.StringVar(&l.file, "fleet", "", "`FILE` that says where the fleet is (default $NEARSIDE_FLEET)")
	f.StringVar(&l.Broker, "broker", "", "`URL` of the broker: tls://HOST:8883, tcp://, wss://, ws://")
	f.StringVar(&l.CA, "ca", "", "certificate `FILE` of who signed the broker's (default: whom the system trusts)")
	f.StringVar(&l.Cert, "cert", "", "certificate `FILE` of yours")
	f.StringVar(&l.CertKey, "cert-key", "", "key `FILE` of that certificate")
	f.StringVar(&l.User, "user", "", "`NAME` at the broker")
	f.StringVar(&l.PasswordFile, "password-file", "", "`FILE` with the password")
	f.StringVar(&l.Tenant, "tenant", "", "`NAME` of the tenant")
	f.StringVar(&l.Root, "root", "", "root `FILE`: verify signatures here, too")
	for _, name := range []string{"fleet", "ca", "cert", "cert-key", "password-file", "root"} {
		_ = c.MarkFlagFilename(name)
	}
}

// maxLink bounds the file of a link.
const maxLink = 64 << 10

// load fills in what the flags do not say.
func (l *Link) load() error {
	path := cmp.Or(l.file, os.Getenv("NEARSIDE_FLEET"))
	if path == "" {
		return nil
	}
	text, err := strict.ReadFile(path, maxLink)
	if err != nil {
		return shell.Usage("read --fleet: %w", err)
	}
	var f Link
	if err := strict.Decode(path, text, &f).Err(); err != nil {
		return shell.BadInput(err)
	}
	for _, name := range []*string{&f.CA, &f.Cert, &f.CertKey, &f.PasswordFile, &f.Root} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	for mine, its := range map[*string]string{
		&l.Broker: f.Broker, &l.CA: f.CA, &l.Cert: f.Cert, &l.CertKey: f.CertKey, &l.User: f.User,
		&l.PasswordFile: f.PasswordFile, &l.Tenant: f.Tenant, &l.Root: f.Root,
	} {
		*mine = cmp.Or(*mine, its)
	}
	return nil
}

// Options are what the fleet is opened with, from the flags and the file.
func (l *Link) Options() (fleet.Options, error) {
	if err := l.load(); err != nil {
		return fleet.Options{}, err
	}
	o := fleet.Options{Tenant: l.Tenant, Broker: broker.Options{
		URL: l.Broker, CA: l.CA, Cert: l.Cert, Key: l.CertKey, User: l.User, PasswordFile: l.PasswordFile,
	}}
	if o.Tenant == "" {
		return o, shell.Usage("--tenant is missing, here and in --fleet")
	}
	if err := o.Broker.Check(); err != nil {
		return o, shell.BadInput(err)
	}
	root, err := l.root()
	o.Root = root
	return o, err
}

// root is the root that signatures are held against, nil without one.
func (l *Link) root() (*seal.Root, error) {
	if l.Root == "" {
		return nil, nil
	}
	text, err := strict.ReadFile(l.Root, seal.MaxBytes)
	if err != nil {
		return nil, shell.Usage("read --root: %w", err)
	}
	root, err := seal.ParseRoot(text)
	if err != nil {
		return nil, shell.Usage("--root %s: %w", l.Root, err)
	}
	return root, nil
}

// Open connects to the fleet.
func (l *Link) Open(c *cobra.Command) (*fleet.Fleet, error) {
	o, err := l.Options()
	if err != nil {
		return nil, err
	}
	return Open(c, o)
}

// Open connects to the fleet that the options name. Where a newer root than
// theirs is published, a warning says so: devices go by that, if it is signed.
func Open(c *cobra.Command, o fleet.Options) (*fleet.Fleet, error) {
	f, err := fleet.Open(c.Context(), o)
	if err != nil {
		return nil, Coded(err)
	}
	if newest := f.NewestRoot(); o.Root != nil && newest > o.Root.Version {
		Warn(c, "root %d is published, and --root is root %d; if it is one of yours, name it: devices go by the newest", newest, o.Root.Version)
	}
	return f, nil
}

// Coded gives an error of the fleet its exit code.
func Coded(err error) error {
	var refused *seal.Refusal
	switch {
	case errors.Is(err, broker.ErrAbsent):
		return shell.Absent(err)
	case errors.As(err, &refused):
		return shell.Refused(err)
	}
	return err
}

// Keys are the private keys that a command signs with.
type Keys struct {
	names  []string
	public []string
}

// Add gives a command the flags: the one that names a key, and the one for
// public halves.
func (k *Keys) Add(c *cobra.Command, flag, usage string) {
	c.Flags().StringArrayVar(&k.names, flag, nil, usage)
	c.Flags().StringArrayVar(&k.public, "key-pub", nil, "public key `FILE` of a command: key, in their order")
	_ = c.MarkFlagFilename(flag)
	_ = c.MarkFlagFilename("key-pub", "pub")
}

// Open gives the signers that were named.
func (k *Keys) Open(c *cobra.Command) ([]seal.Signer, error) {
	warn := func(format string, args ...any) { Warn(c, format, args...) }
	all, err := signer.Set{Public: k.public, Warn: warn}.Open(c.Context(), k.names)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	return all, nil
}

// Warn writes a warning to standard error.
func Warn(c *cobra.Command, format string, args ...any) {
	fmt.Fprintf(c.ErrOrStderr(), "warning: "+format+"\n", args...)
}

// Table is text in columns, whose cells may be of strangers.
type Table struct{ w *tabwriter.Writer }

// NewTable begins a table.
func NewTable(w io.Writer, head ...string) Table {
	t := Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.Row(head...)
	return t
}

// MaxCell bounds a cell, in bytes.
const MaxCell = 120

// Row adds a row; an empty cell is a dash.
func (t Table) Row(cells ...string) {
	for i, cell := range cells {
		cells[i] = fleet.Printable(cmp.Or(cell, "-"), MaxCell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// End writes the table.
func (t Table) End() { t.w.Flush() }

// Again connects as soon as there is a broker; the error is that of a context
// that ended.
func (l *Link) Again(c *cobra.Command) (*fleet.Fleet, error) {
	for most := time.Second; ; most = min(2*most, time.Minute) {
		wait := time.NewTimer(rand.N(most))
		select {
		case <-wait.C:
		case <-c.Context().Done():
			wait.Stop()
			return nil, context.Cause(c.Context())
		}
		if f, err := l.Open(c); err == nil {
			return f, nil
		}
	}
}

// Candidate reads an envelope and holds it against tenant and root.
func (l *Link) Candidate(envelope []byte, root *seal.Root) (*fleet.Candidate, error) {
	doc, err := fleet.OpenCandidate(envelope)
	if err != nil {
		return nil, Coded(err)
	}
	if doc.Payload.Tenant != l.Tenant {
		return nil, shell.Refused(fmt.Errorf("it is for tenant %s, not for %s", doc.Payload.Tenant, l.Tenant))
	}
	if root != nil {
		_, err = root.Read(envelope)
	}
	if seal.Reason(err) == seal.TooFewSignatures {
		err = fmt.Errorf("%w; others add theirs with: nearside fleet sign --add --key KEY FILE", err)
	}
	return doc, Coded(err)
}

// MaxRows is how many devices are listed for a person where all would be too
// many.
const MaxRows = 40

// Yes is yes or no.
func Yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
