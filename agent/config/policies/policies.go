// Package policies carries the policies that are built in, each with cases that
// hold of it, and the schema of all policy documents. They are text; who reads
// it is agent/config.
package policies

import (
	"embed"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Schema is the JSON Schema (2020-12) of policy documents.
//
//go:embed schema.json
var Schema string

// Default is the name of the policy that is used where no other is set.
const Default = "default"

// Names lists the policies that are built in, the default one first.
func Names() []string {
	names := []string{Default}
	all, _ := files.ReadDir(".") // they are part of the program
	for _, e := range all {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		if name != Default && !strings.HasSuffix(name, ".test") {
			names = append(names, name)
		}
	}
	return names
}

// Text is the policy of that name as YAML; ok is false when there is none.
func Text(name string) (text string, ok bool) { return read(name + ".yaml") }

// Cases are what holds of the policy of that name, as YAML, see policy/cases.
func Cases(name string) (text string, ok bool) { return read(name + ".test.yaml") }

func read(file string) (string, bool) {
	text, err := files.ReadFile(file)
	return string(text), err == nil
}
