package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"nearside/agent/config/strict"
)

// Installed is what `make setup` has made ready.
type Installed struct {
	Engine InstalledEngine `json:"engine"`
	Models []Model         `json:"models"`
}

// InstalledEngine is the engine that was installed: how to call it, and what it is.
type InstalledEngine struct {
	Command []string `json:"command"`
	Build   string   `json:"build"`
	SHA256  string   `json:"sha256"`
}

// LoadInstalled reads and checks installed.json in the user's cache folder.
// Nothing installed is no error, and the zero Installed.
func LoadInstalled() (Installed, error) {
	dir := userFolder("XDG_CACHE_HOME", ".cache")
	if dir == "" {
		return Installed{}, nil
	}
	path := filepath.Join(dir, "installed.json")
	text, err := strict.ReadFile(path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Installed{}, nil
	}
	var in Installed
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return Installed{}, fmt.Errorf("read %s: %w", path, err)
	}
	return in, nil
}

// check finds the first value that could not stand in a config either.
func (in *Installed) check() error {
	settle(in.Models)
	v := &validator{}
	v.local(&Local{Engine: Engine{Command: in.Engine.Command, Start: "ask"}, Models: in.Models})
	if len(v.problems) == 0 {
		return nil
	}
	return errors.New(strings.TrimPrefix(v.problems[0].Error(), "local."))
}

// settle fills what needs no installed model to be known.
func settle(models []Model) {
	for i := range models {
		m := &models[i]
		m.SHA256 = strings.ToLower(m.SHA256)
		if m.Services == nil {
			m.Services = []string{"chat"}
		}
	}
}

// fillLocal takes what local leaves open from what is installed: the engine, the
// models, and what is missing of a model with the name of an installed one. When
// that cannot be read, the models that needed it are left out.
func (c *Config) fillLocal() {
	l := &c.Local
	if l.open() {
		in, err := LoadInstalled()
		l.fill(in)
		if err != nil {
			c.InstalledFault = err.Error()
			l.Models = slices.DeleteFunc(l.Models, func(m Model) bool { return m.File == "" })
		}
	}
	settle(l.Models)
}

// open tells whether something is to be filled. The server at a URL has models
// of its own, so nothing is filled beside it.
func (l *Local) open() bool {
	if l.Disabled || l.Engine.URL != "" {
		return false
	}
	return l.Engine.Command == nil || l.Models == nil ||
		slices.ContainsFunc(l.Models, func(m Model) bool { return m.File == "" })
}

func (l *Local) fill(in Installed) {
	if l.Engine.Command == nil {
		l.Engine.Command = in.Engine.Command
	}
	if l.Models == nil {
		l.Models = in.Models
		return
	}
	for i := range l.Models {
		for _, known := range in.Models {
			if m := &l.Models[i]; m.File == "" && m.Name == known.Name {
				m.fill(known)
			}
		}
	}
}

func (m *Model) fill(known Model) {
	m.File = known.File
	m.SHA256 = cmp.Or(m.SHA256, known.SHA256)
	m.Context = cmp.Or(m.Context, known.Context)
	m.System = cmp.Or(m.System, known.System)
	if m.Services == nil {
		m.Services = known.Services
	}
	if m.Sampling == nil {
		m.Sampling = known.Sampling
	}
}
