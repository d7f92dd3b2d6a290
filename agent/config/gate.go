package config

import (
	"embed"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nearside/agent/config/strict"
)

// Gate names the gate that tells what a short text asks for: a built-in profile
// or a file that `nearside gate train` wrote.
type Gate struct {
	Profile   string   `json:"profile,omitempty"`
	File      string   `json:"file,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"` // confidence from which its intent is taken as right, 0 to 1; nil is [GateThreshold]

	Signed *SignedGate `json:"-"` // in the place of both; no config names it
}

// SignedGate is a gate that came from outside.
type SignedGate struct {
	Name string // of its target, after local/
	Read func() ([]byte, error)
}

// GateThreshold is the confidence a gate's intent must reach when the config
// names none.
const GateThreshold = 0.6

// GateService is the service that a gate answers.
const GateService = "intent"

// maxGateFile bounds the file of a gate, in bytes.
const maxGateFile = 64 << 20

//go:embed gates
var gates embed.FS

// Gates lists the built-in gates.
func Gates() []string {
	files, err := gates.ReadDir("gates")
	if err != nil {
		panic(err) // it is part of the program
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".gate"))
	}
	return names
}

// Read is the file of the gate.
func (g *Gate) Read() ([]byte, error) {
	if g.Signed != nil {
		return g.Signed.Read()
	}
	if g.File != "" {
		data, err := strict.ReadFile(g.File, maxGateFile)
		if err != nil {
			return nil, fmt.Errorf("read the gate: %w", err)
		}
		return data, nil
	}
	data, err := gates.ReadFile("gates/" + g.Profile + ".gate")
	if err != nil {
		return nil, fmt.Errorf("there is no built-in gate %q; it must be one of %s", g.Profile, strings.Join(Gates(), ", "))
	}
	return data, nil
}

// Source says in words which gate it is.
func (g *Gate) Source() string {
	if g.Signed != nil {
		return "the signed gate"
	}
	if g.File != "" {
		return g.File
	}
	return "the built-in gate " + g.Profile
}

// Name is what the gate's target goes by, after local/: gate and the profile or
// the file's name, such as gate-car.
func (g *Gate) Name() string {
	if g.Signed != nil {
		return g.Signed.Name
	}
	if g.File == "" {
		return "gate-" + g.Profile
	}
	base := filepath.Base(g.File)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	if base == "gate" || !plainName(base) {
		return "gate"
	}
	return "gate-" + base
}

// Least is the confidence from which its intent is taken as right.
func (g *Gate) Least() float64 {
	if g.Threshold == nil {
		return GateThreshold
	}
	return *g.Threshold
}

func (v *validator) gate(l *Local) {
	g := l.Gate
	if g == nil {
		return
	}
	v.check(g.Signed != nil || (g.Profile == "") != (g.File == ""), "local.gate", "must have one of profile and file")
	v.check(g.Profile == "" || slices.Contains(Gates(), g.Profile), "local.gate.profile", "%q must be one of %s", g.Profile, strings.Join(Gates(), ", "))
	v.check(g.Least() >= 0 && g.Least() <= 1, "local.gate.threshold", "must be from 0 to 1")
	for i, m := range l.Models {
		v.check(m.Name != g.Name(), fmt.Sprintf("local.models[%d].name", i), "%q is the name of the gate's target", m.Name)
	}
}
