package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/policy"
)

// settings compares all but the rules and the version.
func settings(a, b *policy.Document) []Change {
	before, after := flat(a), flat(b)
	paths := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(paths)
	var all []Change
	for _, path := range slices.Compact(paths) {
		x, inA := entry(before, path)
		y, inB := entry(after, path)
		switch {
		case x == y:
		case !inA:
			all = append(all, Change{path, Added, "", y})
		case !inB:
			all = append(all, Change{path, Removed, x, ""})
		default:
			all = append(all, Change{path, Changed, x, y})
		}
	}
	return all
}

// tables are those whose entry "default" stands for all that are not there.
var tables = []string{"quality.local.", "quality.cloud.", "check.confidence.", "check.budget."}

// entry is the value at a path, with its default.
func entry(flat map[string]string, path string) (string, bool) {
	if v, ok := flat[path]; ok {
		return v, true
	}
	for _, t := range tables {
		if strings.HasPrefix(path, t) {
			v, ok := flat[t+"default"]
			return v, ok
		}
	}
	return "", false
}

// flat is the document as paths of keys and values; what is 0, false or empty
// is as good as not there.
func flat(d *policy.Document) map[string]string {
	plain := *d
	plain.Rules, plain.Version = nil, 0
	text, _ := json.Marshal(plain) // a valid document has numbers only
	var tree any
	_ = json.Unmarshal(text, &tree)
	all := map[string]string{}
	flatten(all, "", tree)
	return all
}

func flatten(all map[string]string, path string, value any) {
	switch x := value.(type) {
	case map[string]any:
		for key, v := range x {
			flatten(all, strings.TrimPrefix(path+"."+key, "."), v)
		}
	case []any:
		if len(x) > 0 {
			all[path] = strings.ReplaceAll(fmt.Sprint(x), " ", ", ")
		}
	case nil:
	default:
		if s := fmt.Sprint(x); s != "" && (s != "0" || inTable(path)) && s != "false" {
			all[path] = s
		}
	}
}

// inTable tells whether an entry of 0 says something: it is not the default.
func inTable(path string) bool {
	return slices.ContainsFunc(tables, func(t string) bool { return strings.HasPrefix(path, t) })
}
