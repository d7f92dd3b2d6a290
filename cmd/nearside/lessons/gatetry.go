package lessons

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/shell"
	"nearside/policy/gate"
)

func gateTryCmd(g *shell.Globals) *cobra.Command {
	from := &gateFrom{}
	c := &cobra.Command{
		Use: "try TEXT", Short: "Show what a gate makes of a text", Args: cobra.MinimumNArgs(1),
		Long: `Show the intent a gate finds in a text, and the chance that this is right. Without
--gate and --profile it is the gate that the config names; the daemon need not run.`,
		Example: `  nearside gate try --profile car "roll down my window"
  nearside gate try --gate gate.bin --json "what is the capital of France?"`,
		RunE: func(c *cobra.Command, args []string) error {
			tried, _, err := from.open(g)
			if err != nil {
				return err
			}
			v := tried.Classify(strings.Join(args, " "))
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"intent": v.Intent, "confidence": v.Confidence, "second": v.Second})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s %.2f (or %s)\n", v.Intent, v.Confidence, v.Second)
			return err
		},
	}
	from.add(c)
	return c
}

// gateDoc is what `gate show --json` prints.
type gateDoc struct {
	Source  string     `json:"source"`
	Memory  int        `json:"memory"` // bytes
	About   gate.About `json:"about"`
	Intents []string   `json:"intents"`
}

func gateShowCmd(g *shell.Globals) *cobra.Command {
	from := &gateFrom{}
	c := &cobra.Command{
		Use: "show", Short: "Show what a gate knows and how it was made", Args: cobra.NoArgs,
		Example: `  nearside gate show --profile car`,
		RunE: func(c *cobra.Command, _ []string) error {
			shown, source, err := from.open(g)
			if err != nil {
				return err
			}
			d := gateDoc{source, shown.Bytes(), shown.About(), shown.Intents()}
			if g.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(d)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %d intents, %d bytes in memory, from %d examples and %d outside (seed %d), accuracy %.3f\n%s\n",
				d.Source, len(d.Intents), d.Memory, d.About.Examples, d.About.Outside, d.About.Seed, d.About.Accuracy, strings.Join(d.Intents, "\n"))
			return nil
		},
	}
	from.add(c)
	return c
}
