package main

import (
	"math"
	"strings"
	"testing"
)

// test is ten asks in scope with these chances, the first of them wrong, and
// five outside.
func test(outside ...float64) scopes {
	var t scopes
	for i := range 10 {
		t.inside = append(t.inside, scoped{float64(i) / 10, i > 0})
	}
	for _, p := range outside {
		t.outside = append(t.outside, scoped{p: p})
	}
	return t
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		name         string
		outside      []float64
		kept, ranked float64
	}{
		{"all below", []float64{-1, -1, -1, -1, -1}, 0.9, 1},
		{"all above", []float64{2, 2, 2, 2, 2}, 0, 0},
		{"the fifth is let in", []float64{0, 0.1, 0.2, 0.25, 2}, 0.7, (9.5 + 8.5 + 7.5 + 7 + 0) / 50},
		{"all alike", []float64{0.5, 0.5, 0.5, 0.5, 0.5}, 0.4, 0.45},
	} {
		got := test(c.outside...)
		if math.Abs(got.kept()-c.kept) > 1e-12 || math.Abs(got.ranked()-c.ranked) > 1e-12 {
			t.Errorf("%s: kept %v, ranked %v, want %v and %v", c.name, got.kept(), got.ranked(), c.kept, c.ranked)
		}
		low, high := got.interval(scopes.ranked)
		if low > c.ranked || high < c.ranked {
			t.Errorf("%s: %v is not from %v to %v", c.name, c.ranked, low, high)
		}
	}
	if svg := test(0, 0.1, 0.2, 0.25, 2).chart().svg(); strings.Count(svg, "<path") < 3 || !strings.Contains(svg, "accepted and right") {
		t.Errorf("the picture is %s", svg)
	}
}
