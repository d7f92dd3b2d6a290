package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// statusDoc is GET /v1/status. Nil is not known.
type statusDoc struct {
	Version      string               `json:"version"`
	Commit       string               `json:"commit"`
	UptimeS      int64                `json:"uptime_s"`
	Ready        bool                 `json:"ready"`
	Connectivity connectivityDoc      `json:"connectivity"`
	Policy       policyDoc            `json:"policy"`
	Targets      []targetDoc          `json:"targets"`
	Engine       engineDoc            `json:"engine"`
	Store        storeDoc             `json:"store"`
	Signals      map[string]signalDoc `json:"signals"`
	Health       []condition          `json:"health"`
}

type connectivityDoc struct {
	State  string `json:"state"`
	SinceS int64  `json:"since_s"`
	Source string `json:"source"`
}

type policyDoc struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"`
	Source  string `json:"source"`
	State   string `json:"state"`
}

type targetDoc struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Services  []string   `json:"services"`
	Usable    bool       `json:"usable"`
	Why       *string    `json:"why"`
	Breaker   *string    `json:"breaker"`
	LatencyMS latencyDoc `json:"latency_ms"`
	ErrorRate *float64   `json:"error_rate"`
	InFlight  int        `json:"in_flight"`
	Calls     int64      `json:"calls"`
}

type latencyDoc struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
}

type engineDoc struct {
	State string  `json:"state"`
	Model *string `json:"model"`
	PID   *int    `json:"pid"`
	Why   *string `json:"why"`
}

type storeDoc struct {
	Queue fileDoc `json:"queue"`
	Cache fileDoc `json:"cache"`
}

type fileDoc struct {
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Quota   int64  `json:"quota"`
	State   string `json:"state"`
	Dropped uint64 `json:"dropped"`
}

type signalDoc struct {
	Value  any     `json:"value"`
	Unit   string  `json:"unit"`
	AgeS   *int64  `json:"age_s"`
	Source *string `json:"source"`
}

// condition is one thing about the daemon's health.
type condition struct {
	Name     string `json:"name"`
	Severity string `json:"severity"` // info, warn, fail
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

func statusCmd(g *globals) *cobra.Command {
	return g.jsonFlag(&cobra.Command{
		Use: "status", Short: "Show what the daemon can do now, and what is wrong", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := g.daemon()
			if err != nil {
				return err
			}
			if g.json {
				var raw json.RawMessage
				if err := d.get(c.Context(), "/v1/status", &raw); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
				return err
			}
			var s statusDoc
			if err := d.get(c.Context(), "/v1/status", &s); err != nil {
				return err
			}
			return printStatus(c.OutOrStdout(), &s)
		},
	})
}

func printStatus(out io.Writer, s *statusDoc) error {
	ready := "ready"
	if !s.Ready {
		ready = "not ready: nothing can answer"
	}
	fmt.Fprintf(out, "nearside %s, up %v, %s\n", s.Version, time.Duration(s.UptimeS)*time.Second, ready)
	fmt.Fprintf(out, "network %s (by %s), policy %d (%s), engine %s\n\n", s.Connectivity.State, s.Connectivity.Source, s.Policy.Version, s.Policy.Source, s.Engine.State)
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
