package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/cmd/nearside/shell"
	"nearside/local/weights"
)

func modelCmd(g *shell.Globals) *cobra.Command {
	c := &cobra.Command{Use: "model", Short: "List and verify the local models"}
	c.AddCommand(modelListCmd(g), modelVerifyCmd(g))
	return c
}

// modelDoc is one model as `model list` and `model verify` print it.
type modelDoc struct {
	Name    string `json:"name"`
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	State   string `json:"state"`
	Context int    `json:"context"`
}

func modelListCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models of the config", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return eachModel(c, g, describe) },
	}
}

func modelVerifyCmd(g *shell.Globals) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Read every model and compare its checksum; fails when one differs", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return eachModel(c, g, verify) },
	}
}

// models prints every model as look finds it, and fails when one is not right.
func eachModel(c *cobra.Command, g *shell.Globals, look func(config.Model) modelDoc) error {
	cfg, err := g.Load()
	if err != nil {
		return err
	}
	docs := []modelDoc{}
	wrong := 0
	for _, m := range cfg.Local.Models {
		d := look(m)
		if d.State == "missing" || d.State == "wrong checksum" {
			wrong++
		}
		docs = append(docs, d)
	}
	if err := printModels(c.OutOrStdout(), docs, g.JSON); err != nil {
		return err
	}
	if len(docs) == 0 && !g.JSON {
		fmt.Fprintln(c.ErrOrStderr(), "there is no local model; run make setup, or list one under local.models")
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d models cannot be used", wrong, len(docs))
	}
	return nil
}

func printModels(out io.Writer, docs []modelDoc, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(docs)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tBYTES\tSHA256\tFILE")
	for _, d := range docs {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.12s\t%s\n", d.Name, d.State, d.Bytes, d.SHA256, d.File)
	}
	return w.Flush()
}

func describe(m config.Model) modelDoc {
	d := modelDoc{Name: m.Name, File: m.File, SHA256: m.SHA256, Context: m.Context, State: "present"}
	info, err := os.Stat(m.File)
	if err != nil {
		d.State = "missing"
		return d
	}
	d.Bytes = info.Size()
	return d
}

func verify(m config.Model) modelDoc {
	d := describe(m)
	if d.State == "missing" {
		return d
	}
	sum, err := weights.Sum(m.File)
	if err != nil {
		d.State = "missing"
		return d
	}
	switch d.SHA256 {
	case "":
		d.State = "no checksum given"
	case sum:
		d.State = "verified"
	default:
		d.State = "wrong checksum"
	}
	d.SHA256 = sum
	return d
}
