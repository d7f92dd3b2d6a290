package fleet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/shell"
	"nearside/cmd/nearside/signer"
	"nearside/policy/seal"
)

func keygenCmd(g *shell.Globals) *cobra.Command {
	var out, from string
	c := &cobra.Command{
		Use: "keygen", Short: "Make a key that signs for a fleet", Args: cobra.NoArgs,
		Long: `Make an Ed25519 key: KEY holds the private half and only you may read it, KEY.pub
the public one. Nothing is ever written over. With --from the private half stays
in an ssh-agent, and only KEY.pub is written.

Whoever holds as many private keys as the root wants can steer every device. Keep
them apart, on machines or media that are not on a network.`,
		Example: `  nearside fleet keygen --out alice.key
  nearside fleet keygen --from agent: --out bob.key`,
		RunE: func(c *cobra.Command, _ []string) error { return keygen(c, g, out, from) },
	}
	c.Flags().StringVar(&out, "out", "", "write the private key to `KEY` and the public one to KEY.pub")
	c.Flags().StringVar(&from, "from", "", "write only the public half of an ssh-agent's key: `agent:KEYID`, or agent: when it holds one")
	_ = c.MarkFlagRequired("out")
	return c
}

// made is a key that was written, for programs.
type made struct {
	KeyID   string `json:"keyid"`
	Private string `json:"private,omitempty"`
	Public  string `json:"public"`
}

func keygen(c *cobra.Command, g *shell.Globals, out, from string) error {
	if out == "-" {
		return shell.Usage("--out -: a key is written to files, and a private one is printed nowhere; name one")
	}
	public := out + ".pub"
	if from != "" {
		key, err := signer.Public(c.Context(), from)
		if err != nil {
			return shell.BadInput(err)
		}
		if err := putNew(public, key.PEM(), 0o644); err != nil {
			return fmt.Errorf("write the public key: %w", err)
		}
		return tell(c, g, made{KeyID: key.ID(), Public: public}, fmt.Sprintf("%s: public key %s", public, key.ID()))
	}
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		return err
	}
	if err := putPair(out, public, key); err != nil {
		return err
	}
	id := key.Key().ID()
	return tell(c, g, made{id, out, public}, fmt.Sprintf("%s: private key %s, keep it offline\n%s: public key, for nearside fleet root", out, id, public))
}

// putPair writes both halves or none.
func putPair(private, public string, key *seal.Private) error {
	if err := putNew(private, key.PEM(), 0o600); err != nil {
		return fmt.Errorf("write the private key: %w", err)
	}
	if err := putNew(public, key.Key().PEM(), 0o644); err != nil {
		return errors.Join(fmt.Errorf("write the public key: %w", err), os.Remove(private))
	}
	return nil
}
