package strict

import (
	"cmp"
	"errors"
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

// Fault is one thing wrong with a text, for programs.
type Fault struct {
	Line    int    `json:"line"` // from 1, as Column
	Column  int    `json:"column"`
	Path    string `json:"path"` // of keys, such as rules[2].when; "" is the text as a whole
	Message string `json:"message"`
}

// Faults are what is wrong with a text by an error of this package, those that
// Error lists; of another error its message.
func Faults(err error) []Fault {
	var f *faults
	if !errors.As(err, &f) {
		return []Fault{{Message: err.Error()}}
	}
	f.sort()
	all := make([]Fault, min(len(f.list), maxFaults))
	for i := range all {
		x := &f.list[i]
		all[i] = Fault{x.at.line, x.at.column, x.path, x.message}
	}
	return all
}

func (f *faults) sort() {
	slices.SortStableFunc(f.list, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
}

// Error lists the faults in the order of the file.
func (f *faults) Error() string {
	f.sort()
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
