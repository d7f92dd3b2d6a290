package operator

import (
	"encoding/json"

	"nearside/cloud/fleet"
)

// maxText bounds a text of a stranger in JSON, in bytes.
const maxText = 64 << 10

// clean is a value of a stranger as JSON may show it: in its texts and names
// nothing that a terminal would obey.
func clean(v any) any {
	switch x := v.(type) {
	case string:
		return fleet.Printable(x, maxText)
	case []any:
		all := make([]any, 0, len(x))
		for _, e := range x {
			all = append(all, clean(e))
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(x))
		for name, e := range x {
			all[fleet.Printable(name, maxCell)] = clean(e)
		}
		return all
	}
	return v
}

// brief is a value of a stranger on one line, cut where it is long.
func brief(v map[string]any) string {
	if len(v) == 0 {
		return ""
	}
	text, err := json.Marshal(clean(v))
	if err != nil {
		return ""
	}
	return fleet.Printable(string(text), 2*maxCell)
}
