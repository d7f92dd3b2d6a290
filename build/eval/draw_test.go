package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDraw: a picture is XML, has its lines and texts, and all within it.
func TestDraw(t *testing.T) {
	bins := reliability([]foretold{{p: 0.1}, {p: 0.9, right: true}, {p: 0.2}, {p: 0.3}, {p: 0.4}, {p: 0.5}, {p: 0.6}, {p: 0.7}, {p: 0.8}, {p: 1, right: true}})
	for name, c := range map[string]chart{
		"routes":  routes("title", []curve{{0, 0.8, 1}, {0, 0.6, 1}}, 0.4, 0.8),
		"diagram": diagram("title", bins, bins),
	} {
		text := c.svg()
		paths := 0
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
				paths++
				within(t, name, e.Attr[0].Value)
			}
		}
		if want := (ticks + 1) + 3 + 2; paths < want {
			t.Errorf("%s: %d paths, want %d at least", name, paths, want)
		}
	}
}

// within checks that a path stays in the picture.
func within(t *testing.T, name, path string) {
	for _, step := range strings.Split(path, "L") {
		var x, y float64
		if n, _ := fmt.Sscanf(strings.TrimPrefix(step, "M"), "%g %g", &x, &y); n == 2 && (x < 0 || x > across || y < 0 || y > down) {
			t.Errorf("%s: %v %v is outside", name, x, y)
		}
	}
}

func TestDrawIsWritten(t *testing.T) {
	dir := t.TempDir()
	s := &sheet{svg: dir}
	if err := s.draw("a", "<svg/>"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a.svg")); err != nil || string(got) != "<svg/>" {
		t.Errorf("got %q: %v", got, err)
	}
	if err := (&sheet{svg: filepath.Join(dir, "none")}).draw("a", ""); err == nil {
		t.Error("drawn into no folder")
	}
}

// TestInterval: that of a mean of coins is about two standard errors each way.
func TestInterval(t *testing.T) {
	coins := make([]float64, 400)
	for i := range coins {
		coins[i] = float64(i % 2)
	}
	low, high := interval(len(coins), func(pick []int) float64 {
		mean, _ := spread(picked(coins, pick))
		return mean
	})
	if math.Abs(low-0.451) > 0.01 || math.Abs(high-0.549) > 0.01 {
		t.Errorf("from %v to %v", low, high)
	}
}
