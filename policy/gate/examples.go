package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLine     = 64 << 10
	maxLabel    = 100
	maxExamples = 1_000_000
	mark        = "\xef\xbb\xbf" // of the order of bytes, which UTF-8 does not need
)

// Data is what a file of examples holds.
type Data struct {
	Examples   []Example `json:"-"`
	Lines      int       `json:"lines"`
	Empty      int       `json:"empty"`      // lines, left out
	Duplicates int       `json:"duplicates"` // the same words and label again, left out
	Marked     bool      `json:"bom"`        // it began with a byte order mark, left out
	Returns    int       `json:"crlf"`       // lines that ended in CR LF
	Faults     []Fault   `json:"faults"`     // lines that could not be used
}

// Fault is a line that could not be used, and why.
type Fault struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// String is the fault on one line.
func (f Fault) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.Message) }

// Parse reads examples, one JSON object with text and label on each line. What
// is wrong with a line is among the faults, and the line is not among the
// examples: whoever trains decides. An error means that none of it can be used.
//
// Two examples with the same words and different labels are both faults, as
// nobody can tell which one is meant.
func Parse(text []byte) (*Data, error) {
	start := text[:min(len(text), 4)]
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) || bytes.IndexByte(start, 0) >= 0 {
		return nil, fmt.Errorf("the examples are in UTF-16; write them in UTF-8")
	}
	p := parser{Data: Data{Faults: []Fault{}}, first: map[string]int{}}
	text, p.Marked = bytes.CutPrefix(text, []byte(mark))
	for line := range bytes.Lines(text) {
		p.Lines++
		if len(p.Examples) == maxExamples {
			return nil, fmt.Errorf("there are more than %d examples", maxExamples)
		}
		if err := p.line(line); err != nil {
			p.Faults = append(p.Faults, Fault{p.Lines, err.Error()})
		}
	}
	p.withdraw()
	return &p.Data, nil
}

type parser struct {
	Data
	first     map[string]int // index of the first example with the same words
	lines     []int          // of the examples
	withdrawn map[int]bool   // examples that another one contradicts
}

func (p *parser) line(line []byte) error {
	line, returned := bytes.CutSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if returned {
		p.Returns++
	}
	if len(bytes.TrimSpace(line)) == 0 {
		p.Empty++
		return nil
	}
	e, err := example(line)
	if err != nil {
		return err
	}
	return p.add(e)
}

// example reads one line.
func example(line []byte) (e Example, err error) {
	switch {
	case len(line) > maxLine:
		return e, fmt.Errorf("has %d bytes; %d is the most", len(line), maxLine)
	case !utf8.Valid(line):
		return e, fmt.Errorf("is not UTF-8")
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("is not an object with text and label: %w", err)
	}
	e.Label = strings.TrimSpace(e.Label)
	switch {
	case words(e.Text) == "":
		return e, fmt.Errorf("text: is missing, or has no letters and digits")
	case e.Label == "":
		return e, fmt.Errorf("label: is missing")
	case len(e.Label) > maxLabel:
		return e, fmt.Errorf("label: has %d bytes; %d is the most", len(e.Label), maxLabel)
	case strings.ContainsFunc(e.Label, unicode.IsControl):
		return e, fmt.Errorf("label: is %q; it must be without control characters", e.Label)
	case e.Label != Outside && strings.EqualFold(e.Label, Outside):
		return e, fmt.Errorf("label: is %q; what no intent fits has the label %s", e.Label, Outside)
	}
	return e, nil
}

// words are all that a gate sees of a text; "" when it sees nothing.
func words(text string) string {
	return strings.TrimSpace(string(plain(text, nil)))
}

func (p *parser) add(e Example) error {
	key := words(e.Text)
	i, known := p.first[key]
	switch {
	case !known:
		p.first[key] = len(p.Examples)
		p.Examples, p.lines = append(p.Examples, e), append(p.lines, p.Lines)
		return nil
	case p.Examples[i].Label == e.Label:
		p.Duplicates++
		return nil
	}
	if p.withdrawn == nil {
		p.withdrawn = map[int]bool{}
	}
	p.withdrawn[i] = true
	return fmt.Errorf("label: is %q, but %q on line %d has the same words", e.Label, p.Examples[i].Label, p.lines[i])
}

// withdraw takes out examples that a later line contradicted.
func (p *parser) withdraw() {
	kept := p.Examples[:0]
	for i, e := range p.Examples {
		if p.withdrawn[i] {
			p.Faults = append(p.Faults, Fault{p.lines[i], fmt.Sprintf("label: is %q, but a later line with the same words has another", e.Label)})
			continue
		}
		kept = append(kept, e)
	}
	p.Examples = kept
}
