// Package fleet is nearside fleet: what the operator of many devices does. Keys
// are made and documents signed offline; what is signed is sent, watched, and
// taken back over a broker that nobody needs to trust.
package fleet

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/operator"
	"nearside/cmd/nearside/shell"
)

// Command is nearside fleet with all under it.
func Command(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{Use: "fleet", Short: "Sign documents for many devices, roll them out, and see what came of it"}
	c.AddCommand(keygenCmd(g), rootCmd(g), signCmd(g), verifyCmd(g), simulateCmd(g))
	c.AddCommand(operator.Commands(g)...)
	return c
}

// putNew writes a file that must not be there yet, and has it on the disk when
// it returns.
func putNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return shell.Usage("%s is there already, and is never written over; name another with --out", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// tell prints the value for programs, or the line for people.
func tell(c *cobra.Command, g *shell.Globals, v any, line string) error {
	if g.JSON {
		return shell.PrintJSON(c, v)
	}
	_, err := io.WriteString(c.OutOrStdout(), line+"\n")
	return err
}
