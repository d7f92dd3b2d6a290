package strict

import (
	"reflect"
	"strings"

	"nearside/policy/meant"
)

// fieldOf is the field of a struct with the name in its JSON tag. The fields of
// a struct that is embedded count as its own.
func fieldOf(record reflect.Value, name string) (reflect.Value, bool) {
	for i := range record.NumField() {
		f := record.Type().Field(i)
		if f.Anonymous {
			if found, ok := fieldOf(record.Field(i), name); ok {
				return found, true
			}
			continue
		}
		if known, ok := nameOf(f); ok && known == name {
			return record.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// namesOf lists the names of a struct's fields.
func namesOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, namesOf(f.Type)...)
			continue
		}
		if name, ok := nameOf(f); ok {
			names = append(names, name)
		}
	}
	return names
}

// nameOf is the name in a field's JSON tag; a field without one, or with "-", is
// not for files.
func nameOf(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, name != "" && name != "-"
}

// Suggest names the known one that was probably meant, or all of them.
func Suggest(name string, known []string) string {
	if len(known) == 0 {
		return "there is none"
	}
	if i := meant.Closest(name, known); i >= 0 {
		return "did you mean " + known[i] + "?"
	}
	return "known are " + strings.Join(known, ", ")
}
