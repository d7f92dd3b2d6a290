package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

// A small fleet, in a hurry, goes the way of a large one: a good policy
// everywhere, a careless one nowhere for long, and everybody back after the
// broker was gone.
func TestRehearsal(t *testing.T) {
	t.Chdir("../..")
	r, err := rehearse(t.Context(), plan{
		program: "bin/nearside", devices: 60, rate: 10, until: "applied", soak: 3 * time.Second, before: 5 * time.Second, reconnect: 6 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.figures {
		switch f.name { // those that mean something for a small fleet in a hurry
		case "bad_in_force_s", "push_applied_s", "notes_dropped":
			if most := 3 * f.most; f.value > most { // a busy machine takes its time
				t.Errorf("%s is %g %s, at most %g", f.name, f.value, f.unit, most)
			}
		}
	}
	if err := r.report(io.Discard); err != nil {
		t.Log(err)
	}
	if drawn := r.svg(); !strings.Contains(drawn, "version 2 rolled back") || !strings.HasSuffix(drawn, "</svg>\n") {
		t.Errorf("the drawing is %.200q ...", drawn)
	}
}
