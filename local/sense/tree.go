package sense

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tree is a folder of small files that the kernel writes.
type tree string

// text is what the file says, without the white space around it; "" when it
// cannot be read.
func (t tree) text(path ...string) string {
	b, err := os.ReadFile(filepath.Join(append([]string{string(t)}, path...)...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number is the number the file holds; false when it holds none.
func (t tree) number(path ...string) (float64, bool) { return parse(t.text(path...)) }

// names lists what is in the folder.
func (t tree) names(path string) []string {
	entries, err := os.ReadDir(filepath.Join(string(t), path))
	if err != nil {
		return nil
	}
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Name()
	}
	return all
}

// has tells whether there is something at the path.
func (t tree) has(path ...string) bool {
	_, err := os.Stat(filepath.Join(append([]string{string(t)}, path...)...))
	return err == nil
}

func (t tree) sub(path ...string) tree {
	return tree(filepath.Join(append([]string{string(t)}, path...)...))
}

// parse reads a number that the kernel wrote in decimal.
func parse(text string) (float64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return float64(n), true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && f-f == 0 // neither NaN nor without end
}

// field is the number after name in a file of lines "NAME NUMBER".
func field(text, name string) (float64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return parse(strings.TrimSpace(rest))
		}
	}
	return 0, false
}
