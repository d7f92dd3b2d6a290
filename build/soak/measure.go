package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is what the daemon holds at one quiet moment.
type sample struct {
	at                                       time.Duration // since the run began
	memory, descriptors, goroutines, threads float64
}

// sample measures the daemon.
func (d *daemon) sample(ctx context.Context) (sample, error) {
	text, err := d.get(ctx, "/metrics")
	if err != nil {
		return sample{}, err
	}
	pid := d.cmd.Process.Pid
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return sample{}, fmt.Errorf("measure the daemon: %w", err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return sample{}, fmt.Errorf("measure the daemon: %w", err)
	}
	return sample{
		memory: field(status, "RssAnon:") / 1024, threads: field(status, "Threads:"),
		goroutines: field(text, "go_goroutines"), descriptors: float64(len(open)),
	}, nil
}

// processes counts those alive that have the text on their command line.
func processes(text string) int {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	n := 0
	for _, name := range lines {
		if line, _ := os.ReadFile(name); strings.Contains(string(line), text) { // of the dead it is empty
			n++
		}
	}
	return n
}

// field is the number after a name at the beginning of a line, 0 without it.
func field(text []byte, name string) float64 {
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			v, _ := strconv.ParseFloat(words[1], 64)
			return v
		}
	}
	return 0
}

// growth is how much something grew over the time of the samples: the median of
// the slopes between any two (Theil-Sen), so that what a flood leaves behind for a
// while counts for nothing, at whichever end of the run it comes.
func growth(all []sample, of func(sample) float64) float64 {
	var slopes []float64
	for i, a := range all {
		for _, b := range all[:i] {
			if d := (a.at - b.at).Seconds(); d > 0 {
				slopes = append(slopes, (of(a)-of(b))/d)
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	n := len(slopes)
	return (slopes[(n-1)/2] + slopes[n/2]) / 2 * (all[len(all)-1].at - all[0].at).Seconds()
}
