package shell

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/whole"
)

// printed is the name that stands for standard output.
const printed = "-"

// Out is where a command writes what it makes: a file, whole or not at all, or
// standard output, where there is nothing else then.
type Out struct {
	Path string // "-" is standard output
	to   io.Writer
}

// Printed tells whether it is standard output.
func (o *Out) Printed() bool { return o.Path == printed }

// Open tells why nothing could be written there, before work begins. What a
// command tells besides goes to standard error from then on, if Path is "-".
func (o *Out) Open(c *cobra.Command, g *Globals) error {
	if !o.Printed() {
		return o.hinted(whole.Fits(o.Path))
	}
	if g.JSON {
		return Usage("--out - and --json both write to standard output; name a file")
	}
	o.to = c.OutOrStdout()
	c.SetOut(c.ErrOrStderr())
	return nil
}

// Write writes it, a file with the permissions mode. Open was called before.
func (o *Out) Write(content []byte, mode fs.FileMode) error {
	if o.to == nil {
		return o.hinted(whole.Write(o.Path, content, mode))
	}
	_, err := o.to.Write(content)
	return err
}

func (o *Out) hinted(err error) error {
	if errors.Is(err, whole.ErrNoFile) {
		return fmt.Errorf("%w, or - for standard output", err)
	}
	return err
}
