package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"nearside/agent/config/strict"
)

// Offer is what a target offers: of kind openai those of its models that are
// named, of kind http its APIs.
type Offer struct {
	Names []string       // in the order of the config, or sorted
	APIs  map[string]API // by service; nil for kind openai
}

// API is where a service is, and how it is asked.
type API struct {
	Path   string `json:"path"`             // after base_url
	Method string `json:"method,omitempty"` // POST, PUT, PATCH or GET
}

// Form makes it readable as a list or as keys with values.
func (o *Offer) Form(keyed bool) any {
	if keyed {
		return &o.APIs
	}
	return &o.Names
}

// MarshalYAML writes it as it is read.
func (o Offer) MarshalYAML() (any, error) {
	if o.APIs != nil {
		return o.APIs, nil
	}
	return o.Names, nil
}

// complete fills in what a target need not say.
func (t *Target) complete() {
	o := &t.Services
	for name, api := range o.APIs {
		if api.Method == "" {
			api.Method = "POST"
			o.APIs[name] = api
		}
	}
	if o.APIs != nil {
		o.Names = slices.Sorted(maps.Keys(o.APIs))
	}
	if o.Names == nil {
		o.Names = slices.Sorted(maps.Keys(t.Models))
	}
}

// Service is what is set for a JSON API, whoever serves it.
type Service struct {
	RequestSchema Doc            `json:"request_schema,omitzero"` // of bodies callers send
	ReplySchema   Doc            `json:"reply_schema,omitzero"`   // of bodies targets answer with
	Default       Doc            `json:"default,omitzero"`        // the reply when nothing answers
	Fresh         time.Duration  `json:"fresh,omitempty"`         // how long a reply serves again; 0 is not at all
	Stale         *time.Duration `json:"stale,omitempty"`         // and after a failure; nil is as for all
}

// asked are the services of models that have a route.
var asked = []string{"chat", "embed"}

// unasked warns of what models are to serve and no request reaches.
func (c *Config) unasked() []Warning {
	var list []Warning
	warn := func(path, service string) {
		if !slices.Contains(asked, service) {
			list = append(list, Warning{fmt.Sprintf("%s: nothing asks a model for %s", path, service), "the services of models are chat and embed"})
		}
	}
	for i, m := range c.Local.Models {
		path := fmt.Sprintf("local.models[%d].services", i)
		for _, service := range m.Services {
			warn(path, service)
		}
		if c.Local.Engine.URL == "" && len(m.Services) > 1 && slices.Contains(m.Services, "embed") {
			list = append(list, Warning{path + ": an engine for embeddings does nothing else, and one for chat makes none", "give embed to a model of its own"})
		}
	}
	for i, t := range c.Cloud.Targets {
		for _, service := range slices.Sorted(maps.Keys(t.Models)) {
			warn(fmt.Sprintf("cloud.targets[%d].models", i), service)
		}
	}
	return list
}

// Doc is JSON, written into the config as text or kept in a file of its own.
// The zero Doc is none.
type Doc struct {
	File string `json:"file,omitempty"`
	Text string `json:"-"` // of the file, too

	fault string // why the file could not be read
}

// IsZero tells whether there is none.
func (d Doc) IsZero() bool { return d.File == "" && d.Text == "" }

// UnmarshalText takes what is written into the config.
func (d *Doc) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("is empty; it must be JSON, or {file: PATH}")
	}
	d.Text = string(text)
	return nil
}

// MarshalYAML writes it as it is read.
func (d Doc) MarshalYAML() (any, error) {
	if d.File != "" {
		return map[string]string{"file": d.File}, nil
	}
	return d.Text, nil
}

// docs are all documents of the config.
func (c *Config) docs() []*Doc {
	var all []*Doc
	for _, s := range c.Services {
		all = append(all, &s.RequestSchema, &s.ReplySchema, &s.Default)
	}
	return all
}

// readDocs reads the documents that are files of their own.
func (c *Config) readDocs() {
	for _, d := range c.docs() {
		if d.File == "" {
			continue
		}
		text, err := strict.ReadFile(d.File, maxFileBytes)
		if err != nil {
			d.fault = err.Error()
		}
		d.Text = string(text)
	}
}
