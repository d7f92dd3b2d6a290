package whatif

import (
	"fmt"
	"strings"

	"nearside/policy"
	"nearside/policy/meant"
)

// short are other names of signals, for those who type them.
func short(name string) string {
	switch name {
	case "cpu":
		return "cpu_pct"
	case "memory", "mem":
		return "mem_available_mb"
	case "pressure":
		return "pressure_pct"
	case "temperature", "temp":
		return "temperature_c"
	case "battery":
		return "battery_pct"
	case "disk":
		return "disk_free_mb"
	}
	return name
}

// SignalName is the signal that a name stands for: its own, or a short one such
// as battery, cpu, temperature, memory, disk, pressure. The error names the
// signals there are, and the one that was perhaps meant.
func SignalName(name string) (string, error) {
	full, all := short(strings.ToLower(name)), policy.SignalNames()
	var words []string // each name, and what it begins with
	for _, known := range all {
		if known == full {
			return full, nil
		}
		stem, _, _ := strings.Cut(known, "_")
		words = append(words, known, stem)
	}
	hint := ""
	if i := meant.Closest(full, words); i >= 0 {
		hint = "did you mean " + all[i/2] + "? "
	}
	return "", fmt.Errorf("%.40q is not a signal; %sknown are %s", name, hint, strings.Join(all, ", "))
}
