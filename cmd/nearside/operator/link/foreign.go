package link

import (
	"encoding/json"

	"nearside/cloud/fleet"
)

// maxText bounds a text of a stranger in JSON, in bytes.
const maxText = 64 << 10

// Clean is a value of a stranger as JSON may show it: in its texts and names
// nothing that a terminal would obey.
func Clean(v any) any {
	switch x := v.(type) {
	case string:
		return fleet.Printable(x, maxText)
	case []any:
		all := make([]any, 0, len(x))
		for _, e := range x {
			all = append(all, Clean(e))
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(x))
		for name, e := range x {
			all[fleet.Printable(name, MaxCell)] = Clean(e)
		}
		return all
	}
	return v
}

// Brief is a value of a stranger on one line, cut where it is long.
func Brief(v map[string]any) string {
	if len(v) == 0 {
		return ""
	}
	text, err := json.Marshal(Clean(v))
	if err != nil {
		return ""
	}
	return fleet.Printable(string(text), 2*MaxCell)
}
