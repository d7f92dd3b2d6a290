package config

import (
	"reflect"
	"strings"
)

// Differences names the settings in which the configs differ, such as
// listen.http, in the order of the file.
func Differences(a, b *Config) []string {
	return differences("", reflect.ValueOf(*a), reflect.ValueOf(*b))
}

// differences looks into a section and no deeper.
func differences(section string, a, b reflect.Value) []string {
	var names []string
	for i := range a.NumField() {
		tag, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		x, y := a.Field(i), b.Field(i)
		if tag == "-" || reflect.DeepEqual(x.Interface(), y.Interface()) {
			continue
		}
		name := section + tag
		if section == "" && x.Kind() == reflect.Pointer && !x.IsNil() && !y.IsNil() {
			x, y = x.Elem(), y.Elem()
		}
		if section == "" && x.Kind() == reflect.Struct {
			names = append(names, differences(name+".", x, y)...)
			continue
		}
		names = append(names, name)
	}
	return names
}
