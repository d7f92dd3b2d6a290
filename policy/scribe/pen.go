package scribe

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Pen appends one JSON object, member by member, as encoding/json writes it.
// An element of a list has no name. Methods that begin with Any leave out what
// is zero or nil; those that end in At write null for nil.
type Pen struct {
	text []byte
	from int  // where the object begins
	bad  bool // something has no form in JSON
}

// Begin opens an object behind what is in to.
func Begin(to []byte) Pen { return Pen{text: append(to, '{'), from: len(to)} }

// Done closes the object. It is not ok, and nothing was appended, where a number
// is none or a time has a year that takes more than four digits.
func (p *Pen) Done() (text []byte, ok bool) {
	if p.bad {
		return p.text[:p.from], false
	}
	return append(p.text, '}'), true
}

// Open begins an object within; Close ends it.
func (p *Pen) Open(name string) {
	p.name(name)
	p.text = append(p.text, '{')
}

// Close ends the object that was opened last.
func (p *Pen) Close() { p.text = append(p.text, '}') }

// name begins a member, or an element without a name.
func (p *Pen) name(name string) {
	if last := p.text[len(p.text)-1]; last != '{' && last != '[' {
		p.text = append(p.text, ',')
	}
	if name != "" {
		p.text = append(p.text, '"')
		p.text = append(p.text, name...)
		p.text = append(p.text, '"', ':')
	}
}

func (p *Pen) null(name string) {
	p.name(name)
	p.text = append(p.text, "null"...)
}

// Each writes a list of objects; one writes the members of each.
func Each[T any](p *Pen, name string, list []T, one func(*Pen, *T)) {
	if list == nil {
		p.null(name)
		return
	}
	p.name(name)
	p.text = append(p.text, '[')
	for i := range list {
		p.Open("")
		one(p, &list[i])
		p.Close()
	}
	p.text = append(p.text, ']')
}

// AnyEach leaves out a list that is empty.
func AnyEach[T any](p *Pen, name string, list []T, one func(*Pen, *T)) {
	if len(list) > 0 {
		Each(p, name, list, one)
	}
}

// Text writes a string.
func (p *Pen) Text(name, s string) {
	p.name(name)
	if !plain(s) {
		p.other(s)
		return
	}
	p.text = append(p.text, '"')
	p.text = append(p.text, s...)
	p.text = append(p.text, '"')
}

// AnyText leaves out an empty string.
func (p *Pen) AnyText(name, s string) {
	if s != "" {
		p.Text(name, s)
	}
}

// plain tells whether the string stands for itself between quotes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// other writes what is rare.
func (p *Pen) other(v any) {
	text, err := json.Marshal(v)
	p.text, p.bad = append(p.text, text...), p.bad || err != nil
}

// Texts writes a list of strings.
func (p *Pen) Texts(name string, list []string) {
	if list == nil {
		p.null(name)
		return
	}
	p.name(name)
	p.text = append(p.text, '[')
	for _, s := range list {
		p.Text("", s)
	}
	p.text = append(p.text, ']')
}

// AnyTexts leaves out a list that is empty.
func (p *Pen) AnyTexts(name string, list []string) {
	if len(list) > 0 {
		p.Texts(name, list)
	}
}

// Number writes a number; it must be one.
func (p *Pen) Number(name string, f float64) {
	p.name(name)
	if size := math.Abs(f); size != 0 && !(size >= 1e-6 && size < 1e21) { // NaN is not within anything
		p.other(f)
		return
	}
	p.text = strconv.AppendFloat(p.text, f, 'f', -1, 64)
}

// AnyNumber leaves out 0.
func (p *Pen) AnyNumber(name string, f float64) {
	if f != 0 {
		p.Number(name, f)
	}
}

// NumberAt writes the number that is there, or null.
func (p *Pen) NumberAt(name string, f *float64) {
	if f == nil {
		p.null(name)
		return
	}
	p.Number(name, *f)
}

// AnyNumberAt leaves out nil, not 0.
func (p *Pen) AnyNumberAt(name string, f *float64) {
	if f != nil {
		p.Number(name, *f)
	}
}

// Whole writes a whole number.
func (p *Pen) Whole(name string, n int64) {
	p.name(name)
	p.text = strconv.AppendInt(p.text, n, 10)
}

// AnyWhole leaves out 0.
func (p *Pen) AnyWhole(name string, n int64) {
	if n != 0 {
		p.Whole(name, n)
	}
}

// AnyCount leaves out 0.
func (p *Pen) AnyCount(name string, n uint64) {
	if n != 0 {
		p.name(name)
		p.text = strconv.AppendUint(p.text, n, 10)
	}
}

// WholeAt writes the whole number that is there, or null.
func WholeAt[T int | int64](p *Pen, name string, n *T) {
	if n == nil {
		p.null(name)
		return
	}
	p.Whole(name, int64(*n))
}

// AnyWholeAt leaves out nil, not 0.
func (p *Pen) AnyWholeAt(name string, n *int64) {
	if n != nil {
		p.Whole(name, *n)
	}
}

// Flag writes true or false.
func (p *Pen) Flag(name string, is bool) {
	p.name(name)
	p.text = strconv.AppendBool(p.text, is)
}

// AnyFlag leaves out false.
func (p *Pen) AnyFlag(name string, is bool) {
	if is {
		p.Flag(name, true)
	}
}

// AnyFlagAt leaves out nil, not false.
func (p *Pen) AnyFlagAt(name string, is *bool) {
	if is != nil {
		p.Flag(name, *is)
	}
}

// Time writes a moment by RFC 3339.
func (p *Pen) Time(name string, t time.Time) {
	p.name(name)
	p.text = append(p.text, '"')
	text, err := t.AppendText(p.text)
	if err != nil {
		p.bad = true
		return
	}
	p.text = append(text, '"')
}
