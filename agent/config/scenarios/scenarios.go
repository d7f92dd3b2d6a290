// Package scenarios carries the simulated days that are built in, one for every
// profile. They are text; who reads it is agent/config.
package scenarios

import (
	"embed"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the days that are built in.
func Names() []string {
	var names []string
	all, _ := files.ReadDir(".") // they are part of the program
	for _, e := range all {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Text is the day of that name as YAML; ok is false when there is none.
func Text(name string) (text string, ok bool) {
	b, err := files.ReadFile(name + ".yaml")
	return string(b), err == nil
}
