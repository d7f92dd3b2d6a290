package main

import (
	"fmt"
	"io"
	"strings"
)

// report prints the scenes and the figures; it fails when one is out of its
// bound.
func (r *rehearsal) report(out io.Writer) error {
	fmt.Fprintf(out, "%d devices in %d rings\n\n| from | to | what | came of it |\n| --- | --- | --- | --- |\n", r.plan.devices, len(rings))
	for _, s := range r.scenes {
		fmt.Fprintf(out, "| %.0f s | %.0f s | %s | %s |\n", s.begin.Seconds(), s.end.Seconds(), s.name, s.result)
	}
	fmt.Fprintln(out)
	var bad []string
	for _, f := range r.figures {
		fmt.Fprintf(out, "rehearsal %s %.4g %s\n", f.name, f.value, f.unit)
		if f.most >= 0 && f.value > f.most {
			bad = append(bad, fmt.Sprintf("%s is %.4g, at most %.4g", f.name, f.value, f.most))
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s", strings.Join(bad, "; "))
	}
	return nil
}
