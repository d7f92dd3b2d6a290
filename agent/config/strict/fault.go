package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxFaults is how many faults of one file are worth reading.
const maxFaults = 20

// place is where in a file something stands, from 1.
type place struct{ line, column int }

// fault is one thing wrong with a file; path is "" for the file as a whole.
type fault struct {
	at      place
	path    string
	message string
}

// faults is the error of a text that cannot be used: one fault a line.
type faults struct {
	file string
	list []fault
}

// Error lists the faults in the order of the file.
func (f *faults) Error() string {
	slices.SortStableFunc(f.list, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	var lines []string
	for _, x := range f.list[:min(len(f.list), maxFaults)] {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s%s", f.file, x.at.line, x.at.column, printable(x.path), x.message))
	}
	if more := len(f.list) - maxFaults; more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", f.file, more))
	}
	return strings.Join(lines, "\n")
}

// printable is the path and a colon, harmless on a terminal whatever the file had as keys.
func printable(path string) string {
	if path == "" {
		return ""
	}
	if len(path) > 200 || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		path = strconv.QuoteToGraphic(path[:min(len(path), 200)])
	}
	return path + ": "
}
