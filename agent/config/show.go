package config

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

const redacted = "[redacted]"

// Show is the config as YAML, for people. Arguments of commands that give or
// take a secret are [redacted]; nothing else in a valid config can be one.
func (c *Config) Show() ([]byte, error) {
	duration := func(d time.Duration) ([]byte, error) { return []byte(formatDuration(d)), nil }
	return yaml.MarshalWithOptions(c.redacted(), yaml.CustomMarshaler(duration))
}

// ShowJSON is like [Config.Show], as JSON.
func (c *Config) ShowJSON() ([]byte, error) {
	shown, err := c.Show()
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(shown)
}

// redacted is a copy that shares nothing that differs.
func (c *Config) redacted() *Config {
	r := *c
	r.Cloud.Targets, r.Callers = slices.Clone(c.Cloud.Targets), slices.Clone(c.Callers)
	r.Remote = c.Remote.Clone()
	for _, k := range r.keys() {
		k.Command = slices.Clone(k.Command)
		for i := 1; i < len(k.Command); i++ {
			k.Command[i] = redacted
		}
	}
	r.Local.Engine.Command = withoutSecrets(c.Local.Engine.Command)
	return &r
}

// withoutSecrets blanks the values of flags such as --api-key and --hf-token.
func withoutSecrets(command []string) []string {
	command = slices.Clone(command)
	for i := 1; i < len(command); i++ {
		flag, _, inline := strings.Cut(command[i], "=")
		switch {
		case secretFlag(command[i-1]) && !strings.Contains(command[i-1], "="):
			command[i] = redacted
		case inline && secretFlag(flag):
			command[i] = flag + "=" + redacted
		}
	}
	return command
}

func secretFlag(arg string) bool {
	arg = strings.ToLower(arg)
	return strings.HasPrefix(arg, "-") && slices.ContainsFunc([]string{"key", "token", "password", "secret"},
		func(word string) bool { return strings.Contains(arg, word) })
}
