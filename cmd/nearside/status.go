package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/server/status"
	"nearside/cmd/nearside/lessons"
	"nearside/cmd/nearside/shell"
)

func statusCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what the daemon can do now, and what is wrong", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := g.Daemon()
			if err != nil {
				return err
			}
			if g.JSON {
				var raw json.RawMessage
				if err := d.Get(c.Context(), "/v1/status", &raw); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
				return err
			}
			var s status.Status
			if err := d.Get(c.Context(), "/v1/status", &s); err != nil {
				return err
			}
			return printStatus(c.OutOrStdout(), &s)
		},
	}
}

func printStatus(out io.Writer, s *status.Status) error {
	ready := "ready"
	if !s.Ready {
		ready = "not ready: nothing can answer"
	}
	fmt.Fprintf(out, "nearside %s, up %v, %s\n", s.Version, time.Duration(s.UptimeS)*time.Second, ready)
	fmt.Fprintf(out, "network %s (by %s), policy %d (%s), engine %s\n", s.Connectivity.State, s.Connectivity.Source, s.Policy.Version, s.Policy.Source, s.Engine.State)
	fmt.Fprintf(out, "device: %s\n", known(s.Signals))
	if line := steered(s); line != "" {
		fmt.Fprintln(out, line)
	}
	if len(s.Policy.Held) > 0 {
		fmt.Fprintf(out, "rules in force: %s\n", strings.Join(s.Policy.Held, ", "))
	}
	for _, t := range s.Calibration.Targets {
		fmt.Fprintf(out, "calibration of %s: %s\n", t.Name, lessons.Standing(&t))
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tUSABLE\tBREAKER\tP50\tERRORS\tCALLS\tWHY")
	for _, t := range s.Targets {
		fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\t%d\t%s\n", t.Name, t.Usable, orDash(t.Breaker), ms(t.LatencyMS.P50), percent(t.ErrorRate), t.Calls, orDash(t.Why))
	}
	fmt.Fprintf(w, "\nSTORE\tROWS\tBYTES\tSTATE\n")
	fmt.Fprintf(w, "queue\t%d\t%d\t%s\n", s.Store.Queue.Rows, s.Store.Queue.Bytes, s.Store.Queue.State)
	fmt.Fprintf(w, "cache\t%d\t%d\t%s\n", s.Store.Cache.Rows, s.Store.Cache.Bytes, s.Store.Cache.State)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, h := range s.Health {
		fmt.Fprintf(out, "\n%s %s: %s", h.Severity, h.Name, h.Message)
		if h.Hint != "" {
			fmt.Fprintf(out, "\n     %s", h.Hint)
		}
	}
	if len(s.Health) > 0 {
		fmt.Fprintln(out)
	}
	return nil
}

// steered says how the device stands with those who steer it, "" where nobody
// does.
func steered(s *status.Status) string {
	r := s.Remote
	if r == nil || r.Fault != nil {
		return "" // the conditions tell
	}
	text := fmt.Sprintf("steered as %s of %s, channel %s, ring %s: policy is %s", r.Device, r.Tenant, r.Channel, r.Ring, s.Policy.State)
	switch m := r.MQTT; {
	case m == nil:
	case m.Connected:
		text += ", connected to " + orDash(m.Broker)
	case m.LastError != nil:
		text += fmt.Sprintf(", no broker (%s)", *m.LastError)
	default:
		text += ", no broker"
	}
	if r.Outbox.Notes > 0 {
		text += fmt.Sprintf(", %d notes wait", r.Outbox.Notes)
	}
	return text
}

// known lists what is known of the device.
func known(signals map[string]status.Signal) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(signals)) {
		s := signals[name]
		if s.Value == nil || name == "network" { // the line above has it
			continue
		}
		text := strings.TrimSpace(fmt.Sprintf("%s %v %s", name, s.Value, s.Unit))
		if s.TTLS != nil {
			text += fmt.Sprintf(" (host, for %d s)", *s.TTLS)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "nothing is known"
	}
	return strings.Join(all, ", ")
}

func orDash(s *string) string {
	if s == nil || *s == "" {
		return "-"
	}
	return *s
}

func ms(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f ms", *v)
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", *v*100)
}
