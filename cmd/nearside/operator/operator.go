// Package operator is the part of nearside fleet that speaks with a broker:
// pushing signed documents, looking at the devices, rollouts in stages, signed
// commands, and what a candidate would change before it is sent. What devices
// and brokers tell is shown only after it was bounded and can be printed.
package operator

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
	"nearside/policy/seal"
)

// Commands are those of nearside fleet that are not done offline.
func Commands(g *shell.Globals) []*cobra.Command {
	return []*cobra.Command{
		pushCmd(g), statusCmd(g), watchCmd(g), rolloutCmd(g), orderCmd(g, pause), orderCmd(g, resume), orderCmd(g, abort),
		rollbackCmd(g), commandCmd(g), reportCmd(g), diffCmd(g), replayCmd(g),
	}
}

// link is the way to the fleet: flags, and a file for what they do not say.
type link struct {
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

func (l *link) add(c *cobra.Command) {
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
func (l *link) load() error {
	path := cmp.Or(l.file, os.Getenv("NEARSIDE_FLEET"))
	if path == "" {
		return nil
	}
	text, err := strict.ReadFile(path, maxLink)
	if err != nil {
		return shell.Usage("read --fleet: %w", err)
	}
	var f link
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

// options are what the fleet is opened with.
func (l *link) options() (fleet.Options, error) {
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
func (l *link) root() (*seal.Root, error) {
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

// open connects to the fleet.
func (l *link) open(c *cobra.Command) (*fleet.Fleet, error) {
	o, err := l.options()
	if err != nil {
		return nil, err
	}
	f, err := fleet.Open(c.Context(), o)
	return f, coded(err)
}

// coded gives an error of the fleet its exit code.
func coded(err error) error {
	var refused *seal.Refusal
	switch {
	case errors.Is(err, broker.ErrAbsent):
		return shell.Absent(err)
	case errors.As(err, &refused):
		return shell.Refused(err)
	}
	return err
}

// keys are the private keys that a command signs with.
type keys struct {
	names  []string
	public []string
}

func (k *keys) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&k.names, "key", nil, signer.Usage+"; give as many as the root wants")
	c.Flags().StringArrayVar(&k.public, "key-pub", nil, "public key `FILE` of a command: key, in their order")
	_ = c.MarkFlagFilename("key")
	_ = c.MarkFlagFilename("key-pub", "pub")
}

func (k *keys) open(c *cobra.Command) ([]seal.Signer, error) {
	warn := func(format string, args ...any) { fmt.Fprintf(c.ErrOrStderr(), "warning: "+format+"\n", args...) }
	all, err := signer.Set{Public: k.public, Warn: warn}.Open(c.Context(), k.names)
	if err != nil {
		return nil, shell.BadInput(err)
	}
	if len(all) == 0 {
		return nil, shell.Usage("a command must be signed: give --key, as many as the root wants")
	}
	return all, nil
}

// table is text in columns, whose cells may be of strangers.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(head...)
	return t
}

// maxCell bounds a cell, in bytes.
const maxCell = 120

func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = fleet.Printable(cmp.Or(cell, "-"), maxCell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) end() { t.w.Flush() }
