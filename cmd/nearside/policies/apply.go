package policies

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/agent/server/steering"
	"nearside/cmd/nearside/shell"
)

const (
	most     = 68 << 10         // bytes that are read of an envelope, which has 64 KiB at most
	answered = 40 * time.Second // until the daemon must have said what becomes of it
	lookAt   = time.Second      // how often a trial is looked at
)

// application is one envelope on its way into the daemon.
type application struct {
	wait    bool
	timeout time.Duration
}

func applyCmd(g *shell.Globals) *cobra.Command {
	a := &application{}
	c := &cobra.Command{
		Use: "apply FILE|-", Short: "Bring a signed document into the running daemon", Args: cobra.ExactArgs(1),
		Long: `Bring a signed document into the running daemon: a policy, a gate, a calibration,
prices, targets or a root. It is verified against the device's root and validated
on the device; then it is in force, on trial at first, and nothing it does
outlasts the trial when it does harm. --wait waits for the end of the trial.

Exit: 0 it is in force, or was, 3 it is refused, with the reason, or with --wait
rolled back, 2 there is no such file, 4 no daemon answers.`,
		Example: `  nearside policy apply policy.dsse
  nearside policy apply --wait policy.dsse
  ssh operator cat policy.dsse | nearside policy apply -`,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		RunE:              func(c *cobra.Command, args []string) error { return a.run(c, g, args[0]) },
	}
	c.Flags().BoolVar(&a.wait, "wait", false, "wait until the trial is over")
	c.Flags().DurationVar(&a.timeout, "timeout", 10*time.Minute, "how `LONG` to wait for that; a trial needs asks to be judged by")
	return c
}

func (a *application) run(c *cobra.Command, g *shell.Globals, path string) error {
	envelope, err := read(c, path)
	if err != nil {
		return shell.BadInput(err)
	}
	d, err := g.Daemon()
	if err != nil {
		return err
	}
	done, err := bring(c, g, d, envelope)
	if err != nil {
		return err
	}
	if a.wait && done.Kind == "policy" {
		return a.await(c, g, d, done)
	}
	if g.JSON {
		return shell.PrintJSON(c, done)
	}
	fmt.Fprintln(c.OutOrStdout(), told(done))
	return nil
}

// read is the envelope, or as much of it as shows that it is too large. What
// never ends is not read to its end.
func read(c *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		envelope, err := io.ReadAll(io.LimitReader(c.InOrStdin(), most))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return envelope, nil
	}
	envelope, err := strict.ReadHead(path, most)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return envelope, nil
}

// bring has the daemon take the envelope. With --json the refusal is on standard
// output, too.
func bring(c *cobra.Command, g *shell.Globals, d *shell.Client, envelope []byte) (*steering.Applied, error) {
	ctx, cancel := context.WithTimeout(c.Context(), answered)
	defer cancel()
	resp, err := d.Do(ctx, http.MethodPost, steering.ApplyPath, envelope, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(c, g, resp, text)
	}
	done := &steering.Applied{}
	if err := json.Unmarshal(text, done); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return done, nil
}

func refusal(c *cobra.Command, g *shell.Globals, resp *http.Response, text []byte) error {
	var wire struct {
		Error struct{ Message, Type, Code string }
	}
	if g.JSON && json.Unmarshal(text, &wire) == nil && wire.Error.Type == steering.Kept {
		if err := shell.PrintJSON(c, map[string]any{"changed": false, "reason": wire.Error.Code, "message": wire.Error.Message}); err != nil {
			return err
		}
	}
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return shell.Failure(resp)
}

// told says what became of a document.
func told(a *steering.Applied) string {
	what := fmt.Sprintf("%s %d (%.8s)", a.Kind, a.Version, a.Digest)
	state := "in force"
	if a.Kind == "policy" { // only these are tried
		state = cmp.Or(a.State, state)
	}
	switch {
	case !a.Changed:
		return what + ": nothing done, it is here already, " + state
	case a.State == "probation":
		return what + " is in force, on trial"
	}
	return what + ": " + state
}

// await waits for the end of the trial. A daemon that is started again
// meanwhile goes on with it.
func (a *application) await(c *cobra.Command, g *shell.Globals, d *shell.Client, done *steering.Applied) error {
	ctx, cancel := context.WithTimeout(c.Context(), a.timeout)
	defer cancel()
	tick := time.NewTicker(lookAt)
	defer tick.Stop()
	said := ""
	for {
		var now steering.Standing
		err := d.Get(ctx, steering.Path, &now)
		if over, end := ended(&now, done.Digest); err == nil && over {
			if g.JSON {
				return errors.Join(shell.PrintJSON(c, &now), end)
			}
			if end == nil {
				fmt.Fprintf(c.OutOrStdout(), "policy %d (%.8s) is confirmed\n", now.Version, now.Digest)
			}
			return end
		}
		if next := progress(&now); err == nil && next != said && !g.JSON {
			fmt.Fprintln(c.ErrOrStderr(), next)
			said = next
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return gaveUp(c.Context(), done)
		}
	}
}

func gaveUp(caller context.Context, done *steering.Applied) error {
	if caller.Err() != nil {
		return caller.Err()
	}
	return fmt.Errorf("policy %d is still on trial: it takes asks to be judged by; look with: nearside policy show", done.Version)
}

// ended tells whether the trial of that digest is over, and its error when it
// did not end well.
func ended(now *steering.Standing, digest string) (bool, error) {
	if b := now.RolledBack; b != nil && b.Digest == digest {
		return true, shell.Refused(fmt.Errorf("policy %d is rolled back: %s\n  %s", b.Version, b.Why, strings.Join(b.Evidence, "\n  ")))
	}
	if c := now.Candidate; c != nil && c.Digest == digest {
		return false, nil
	}
	if now.Digest != digest {
		return true, shell.Refused(fmt.Errorf("another policy took its place: version %d (%.8s), %s", now.Version, now.Digest, now.State))
	}
	return now.State == "confirmed", nil
}

func progress(now *steering.Standing) string {
	if now.Candidate == nil {
		return now.State
	}
	return fmt.Sprintf("%s: %d asks since %s", now.Candidate.Step, now.Candidate.Asks, now.Candidate.Since.Local().Format(time.TimeOnly))
}

func resetCmd(g *shell.Globals) *cobra.Command {
	yes, forget := false, false
	c := &cobra.Command{
		Use: "reset", Short: "Return the device to its own policy, whatever came from outside", Args: cobra.NoArgs,
		Long: `Return the device to its own policy: the file that its config names, or the
built-in one. What came from outside is dropped. Roots that were rotated in stay,
and versions that were taken before stay refused, so that nobody can bring an old
one back; with --forget-floor both are forgotten, which is for a fleet that begins
anew with other keys. A broker that retains a newer policy delivers it again.

It is taken on the daemon's Unix socket only.`,
		Example: `  nearside policy reset --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return shell.Usage("this drops every policy that came from outside; add --yes when that is meant")
			}
			return reset(c, g, forget)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "that is meant")
	c.Flags().BoolVar(&forget, "forget-floor", false, "also take versions again that were taken before: an old policy can then be replayed")
	return c
}

func reset(c *cobra.Command, g *shell.Globals, forget bool) error {
	body := fmt.Appendf(nil, `{"forget_floor":%t}`, forget)
	resp, err := g.Post(c.Context(), steering.ResetPath, body, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var now steering.Standing
	if err := json.NewDecoder(resp.Body).Decode(&now); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if g.JSON {
		return shell.PrintJSON(c, &now)
	}
	fmt.Fprintln(c.OutOrStdout(), firstLine(&now))
	return nil
}
