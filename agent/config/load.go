package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"nearside/agent/config/secret"
	"nearside/agent/config/strict"
	"nearside/agent/config/written"
)

const maxFileBytes = 1 << 20

// Load reads the config file over the defaults, fills what it leaves open of
// local from what is installed, and checks all of it. Its error has a line for
// every fault, in the order of the file, that begins with path:line:column.
func Load(path string) (*Config, error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	c := defaults()
	c.Empty = len(bytes.TrimSpace(text)) == 0
	d := strict.Decode(path, text, c)
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := c.complete(path); err != nil {
		return nil, err
	}
	for _, p := range c.Validate() {
		d.Report(p.Path, p.Message)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadPolicy reads the policy that the config names, the default one when it
// names none. What a file says of targets that the config does not have is a
// fault. The error is like that of [Load].
func (c *Config) LoadPolicy() (*written.Policy, error) {
	return written.Load(c.Policy, c.TargetNames())
}

// Default is the config when there is no file: the installed engine and models,
// no cloud.
func Default() *Config {
	c := defaults()
	c.fillLocal()
	return c
}

// complete makes what was read independent of where the file is, and fills gaps.
func (c *Config) complete(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find folder of config: %w", err)
	}
	for _, file := range c.files() {
		if *file != "" && !filepath.IsAbs(*file) && !strings.HasPrefix(*file, written.ProfilePrefix) {
			*file = filepath.Join(filepath.Dir(path), *file)
		}
	}
	for i := range c.Cloud.Targets {
		c.Cloud.Targets[i].complete()
	}
	if c.Remote != nil {
		c.Remote.Complete()
	}
	c.readDocs()
	for i, host := range c.Listen.Hosts {
		c.Listen.Hosts[i] = strings.ToLower(host)
	}
	c.fillLocal()
	return nil
}

// files are all paths in the config.
func (c *Config) files() []*string {
	files := []*string{&c.Listen.Socket, &c.State, &c.Policy}
	if t := c.Listen.TLS; t != nil {
		files = append(files, &t.Cert, &t.Key)
	}
	if r := c.Remote; r != nil {
		files = append(files, r.Files()...)
	}
	for i := range c.Local.Models {
		files = append(files, &c.Local.Models[i].File)
	}
	if c.Local.Gate != nil {
		files = append(files, &c.Local.Gate.File)
	}
	files = append(files, program(c.Local.Engine.Command)...)
	for i := range c.Local.Engine.Reads {
		files = append(files, &c.Local.Engine.Reads[i])
	}
	for _, d := range c.docs() {
		files = append(files, &d.File)
	}
	for _, k := range c.keys() {
		files = append(files, &k.File)
		files = append(files, program(k.Command)...)
	}
	return files
}

// program is the path a command begins with; a name without a slash is for $PATH.
func program(command []string) []*string {
	if len(command) == 0 || !strings.Contains(command[0], "/") {
		return nil
	}
	return []*string{&command[0]}
}

// keys are all places of secrets in the config.
func (c *Config) keys() []*secret.Key {
	keys := []*secret.Key{&c.Listen.Token}
	for i := range c.Cloud.Targets {
		keys = append(keys, &c.Cloud.Targets[i].Key)
	}
	for i := range c.Callers {
		keys = append(keys, &c.Callers[i].Token)
	}
	return append(keys, c.Remote.Keys()...)
}
