package shell_test

import (
	"errors"
	"fmt"
	"testing"

	"nearside/cmd/nearside/shell"
)

// TestCodeOf: an error keeps its code when more is said about it, and the last
// word on the code is the outer one.
func TestCodeOf(t *testing.T) {
	plain := errors.New("no")
	for _, c := range []struct {
		err  error
		want int
	}{
		{plain, shell.ExitFailed},
		{shell.Usage("%w; see --help", plain), shell.ExitUsage},
		{fmt.Errorf("read the policy: %w", shell.BadInput(plain)), shell.ExitUsage},
		{shell.Refused(plain), shell.ExitRefused},
		{shell.Absent(plain), shell.ExitAbsent},
		{shell.Failed(shell.Absent(plain)), shell.ExitFailed},
		{shell.Absent(shell.Failed(plain)), shell.ExitAbsent},
		{shell.Interrupted(), shell.ExitInterrupted},
	} {
		if got := shell.CodeOf(c.err); got != c.want {
			t.Errorf("%v: got code %d, want %d", c.err, got, c.want)
		}
		if c.want != shell.ExitInterrupted && !errors.Is(c.err, plain) {
			t.Errorf("%v hides its cause", c.err)
		}
	}
}
