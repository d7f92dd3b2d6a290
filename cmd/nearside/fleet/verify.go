package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cmd/nearside/shell"
	"nearside/policy/seal"
)

// verifying is what nearside fleet verify is asked for.
type verifying struct {
	roots  []string
	device seal.Device
	labels map[string]string
	at     string
}

func verifyCmd(g *shell.Globals) *cobra.Command {
	var v verifying
	c := &cobra.Command{
		Use: "verify FILE", Short: "Tell what a signed document is, who signed it, and whether a device would take it", Args: cobra.ExactArgs(1),
		Long: `Verify an envelope: a policy or another document, a command, or a root. It is held
against the root as a device does it, and against what the flags say of a device;
what they leave out is not asked. Of a document that does not verify, nothing but
the reason is to be believed, and the command ends with 3.

--root may be named several times, a root and those that followed it; each must
prove itself from the one before. A root without --root is only read, as the file
of remote.root is.`,
		Example: `  nearside fleet verify --root root.json policy.dsse
  nearside fleet verify --root root.json --tenant acme --channel stable --device kiosk-7 --ring early policy.dsse
  nearside fleet verify --root root.json root2.json`,
		RunE: func(c *cobra.Command, args []string) error { return v.run(c, g, args[0]) },
	}
	f := c.Flags()
	f.StringArrayVar(&v.roots, "root", nil, "root `FILE`; several in their order")
	f.StringVar(&v.device.Tenant, "tenant", "", "for a device of the tenant `T`")
	f.StringVar(&v.device.Channel, "channel", "", "for a device of the channel `C`")
	f.StringVar(&v.device.ID, "device", "", "for the device `ID`")
	f.StringVar(&v.device.Ring, "ring", "", "for a device of the ring `R`")
	f.StringToStringVar(&v.labels, "label", nil, "for a device with the label `K=V`; several")
	f.StringVar(&v.device.Agent, "agent", "", "for a device that runs nearside `VERSION`")
	f.StringVar(&v.at, "at", "", "as if it were `TIME`, as 2027-01-31T00:00:00Z or from now on as 24h")
	return c
}

// verdict is the outcome for programs.
type verdict struct {
	OK       bool     `json:"ok"`
	Reason   string   `json:"reason,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	SignedBy []string `json:"signed_by,omitempty"`
	*view
}

func (v *verifying) run(c *cobra.Command, g *shell.Globals, path string) error {
	envelope, err := strict.ReadFile(path, 2*seal.MaxBytes)
	if err != nil {
		return shell.BadInput(err)
	}
	at, err := moment("at", cmp.Or(v.at, "0s"), time.Now())
	if err != nil {
		return shell.BadInput(err)
	}
	root, err := v.root()
	if err != nil {
		return err
	}
	out := verdict{OK: true, view: &view{}}
	out.SignedBy, err = v.verify(root, envelope, seal.Reading{State: seal.ClockTrusted, Time: at})
	if err == nil {
		out.view, err = look(envelope)
	}
	if err == nil {
		out.File = path
		return tell(c, g, out, out.lines()+"\n"+good(root, out.SignedBy))
	}
	return refused(c, g, path, err)
}

// good is the word on whose signatures were verified.
func good(root *seal.Root, by []string) string {
	if root == nil {
		return "read as a file of remote.root is; nothing vouches for it"
	}
	return fmt.Sprintf("good: signed by %s, as root %d wants", strings.Join(by, ", "), root.Version)
}

// refused tells why, to programs on standard output, too.
func refused(c *cobra.Command, g *shell.Globals, path string, err error) error {
	var r *seal.Refusal
	if !errors.As(err, &r) {
		return err
	}
	if g.JSON {
		doc := map[string]any{"ok": false, "file": path, "reason": r.Reason, "detail": r.Detail}
		if err := shell.PrintJSON(c, doc); err != nil {
			return err
		}
	}
	return shell.Refused(fmt.Errorf("%s: %w", path, err))
}

// root is the last of the roots that were named, proved from the first; nil for
// none.
func (v *verifying) root() (*seal.Root, error) {
	if len(v.roots) == 0 {
		return nil, nil
	}
	root, err := readRoot(v.roots[0])
	if err != nil {
		return nil, err
	}
	for _, path := range v.roots[1:] {
		text, err := strict.ReadFile(path, 2*seal.MaxBytes)
		if err != nil {
			return nil, shell.BadInput(err)
		}
		if root, err = root.Next(text); err != nil {
			return nil, shell.Refused(fmt.Errorf("%s: %w", path, err))
		}
	}
	return root, nil
}

// verify tells who signed the envelope, if a device would take it.
func (v *verifying) verify(root *seal.Root, envelope []byte, now seal.Reading) ([]string, error) {
	e, err := seal.Peek(envelope)
	if err != nil {
		return nil, err
	}
	v.device.Labels = v.labels
	switch {
	case root == nil && e.Type == seal.RootType:
		r, err := seal.ParseRoot(envelope)
		if err != nil {
			return nil, err
		}
		return r.Good(e), nil
	case root == nil:
		return nil, shell.Usage("--root must name the root that the signatures are held against")
	case e.Type == seal.RootType:
		next, err := root.Next(envelope)
		if err != nil {
			return nil, err
		}
		return next.Good(e), nil
	case e.Type == seal.CommandType:
		return v.command(root, envelope, now)
	}
	return v.document(root, envelope, now)
}

func (v *verifying) document(root *seal.Root, envelope []byte, now seal.Reading) ([]string, error) {
	got, err := root.Read(envelope)
	if err != nil {
		return nil, err
	}
	d, asked := v.device, *got
	d.Tenant, d.Channel, d.Agent = cmp.Or(d.Tenant, got.Tenant), cmp.Or(d.Channel, got.Channel), cmp.Or(d.Agent, got.MinAgent)
	if asked.Previous = ""; v.nobody() {
		asked.Audience = nil
	}
	if d.ID == "" {
		asked.Rollout = nil
	}
	return got.SignedBy, asked.Judge(root, d, nil, now)
}

func (v *verifying) command(root *seal.Root, envelope []byte, now seal.Reading) ([]string, error) {
	got, ids, err := root.ReadCommand(envelope)
	if err != nil {
		return nil, err
	}
	d, asked := v.device, *got
	d.Tenant = cmp.Or(d.Tenant, got.Tenant)
	if v.nobody() {
		asked.Audience = nil
	}
	return ids, asked.Judge(root, d, now)
}

// nobody tells whether no device was named, so that nobody asks for whom a
// document is.
func (v *verifying) nobody() bool {
	return v.device.ID == "" && v.device.Ring == "" && len(v.labels) == 0
}
