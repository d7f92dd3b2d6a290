package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
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

// LoadInstalled reads installed.json in the user's cache folder. Nothing
// installed is no error, and the zero Installed.
func LoadInstalled() (Installed, error) {
	var in Installed
	dir := userFolder("XDG_CACHE_HOME", ".cache")
	if dir == "" {
		return in, nil
	}
	path := filepath.Join(dir, "installed.json")
	text, err := readFile(path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err != nil {
		return Installed{}, fmt.Errorf("read %s (run `make setup` again, or remove it): %w", path, err)
	}
	return in, nil
}

// fillLocal takes what local leaves open from what is installed: the engine, the
// models, and what is missing of a model with the name of an installed one. The
// server at a URL has models of its own, so nothing is filled beside it.
func (c *Config) fillLocal() error {
	l := &c.Local
	if !l.Disabled && l.Engine.URL == "" {
		in, err := LoadInstalled()
		if err != nil {
			return err
		}
		l.fill(in)
	}
	for i := range l.Models {
		if l.Models[i].Services == nil {
			l.Models[i].Services = []string{"chat"}
		}
	}
	return nil
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
