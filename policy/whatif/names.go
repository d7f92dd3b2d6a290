package whatif

import (
	"fmt"
	"strings"

	"nearside/policy"
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
	full := short(strings.ToLower(name))
	best, least := "", 3 // more letters that differ are another word
	for _, known := range policy.SignalNames() {
		if known == full {
			return full, nil
		}
		stem, _, _ := strings.Cut(known, "_")
		if d := min(distance(full, known), distance(full, stem)); d < least {
			best, least = known, d
		}
	}
	if best != "" {
		best = "did you mean " + best + "? "
	}
	return "", fmt.Errorf("%.40q is not a signal; %sknown are %s", name, best, strings.Join(policy.SignalNames(), ", "))
}

// distance is how many letters must be put in, taken out or changed to make one
// word of the other (Levenshtein 1966). Long words are not looked at.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
