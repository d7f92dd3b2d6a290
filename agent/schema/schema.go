package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds of a schema.
const (
	maxBytes = 64 << 10
	maxDepth = 64
)

// home is the name a schema has for itself; nothing is there.
const home = "nearside:///schema"

// Schema is a compiled schema. Its methods may be called from any goroutine;
// checks of one schema wait for each other.
type Schema struct {
	mu    sync.Mutex // guards fuel
	fuel  int        // steps the check under way may still take
	graph *jsonschema.Schema
}

// Compile reads a schema, of draft 2020-12 unless it names another. The error
// says what is wrong with it.
func Compile(text []byte) (*Schema, error) { return read(text, false) }

// CompileLoosely is like [Compile], but patterns that only other engines than
// Go's know, such as those that look ahead, are not checked.
func CompileLoosely(text []byte) (*Schema, error) { return read(text, true) }

func read(text []byte, loose bool) (*Schema, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("is %d bytes long; at most %d are taken", len(text), maxBytes)
	}
	if depth(text) > maxDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	// Numbers as floats: an exponent of a million digits would be exact.
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if _, ok := doc.(map[string]any); !ok {
		return nil, errors.New("must be an object")
	}
	graph, err := compile(doc, loose)
	if err != nil {
		return nil, err
	}
	s := &Schema{graph: graph}
	s.meter()
	return s, nil
}

func compile(doc any, loose bool) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine((&patterns{left: maxPatterns, loose: loose}).compile)
	if err := c.AddResource(home, doc); err != nil {
		return nil, plain(err)
	}
	graph, err := c.Compile(home)
	return graph, plain(err)
}

// nowhere is where other schemas are fetched from.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("has a reference to %.100q; nothing is fetched, so it must lead to a part of this schema", url)
}

// plain is the error in few words, without the compiler's own names.
func plain(err error) error {
	var load *jsonschema.LoadURLError
	var invalid *jsonschema.SchemaValidationError
	var fault *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &load):
		return load.Err
	case errors.As(err, &invalid) && errors.As(invalid.Err, &fault):
		return fmt.Errorf("is no valid schema: %s", first(fault))
	}
	return errors.New("is no valid schema: " + strings.ReplaceAll(err.Error(), home, ""))
}

// first is the first fault, where it is and what it is.
func first(e *jsonschema.ValidationError) string {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return short(e.Error())
}

// short is a text without its middle, where it is long.
func short(s string) string {
	const half = 150
	if len(s) <= 2*half {
		return s
	}
	return strings.ToValidUTF8(s[:half]+" ... "+s[len(s)-half:], "")
}

// errCostly ends a check that takes more steps than its document is worth.
var errCostly = errors.New("takes too many steps to check")

// Check tells whether the document is JSON that fits the schema; the error is
// the first thing that does not.
func (s *Schema) Check(doc []byte) (err error) {
	if large(doc) {
		return errCostly // before room is made for it
	}
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return errors.New("is not valid JSON")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			if err, _ = r.(error); !errors.Is(err, errCostly) {
				panic(r)
			}
		}
	}()
	s.fuel = min(mostFuel, leastFuel+fuelPerByte*len(doc))
	err = s.graph.Validate(v)
	var fault *jsonschema.ValidationError
	if errors.As(err, &fault) {
		return errors.New(first(fault))
	}
	return err
}

// What a document takes in memory once it is read, beside its text, and how much
// of that is taken: as much as text of its length, and some.
const (
	perValue  = 48
	perObject = 320
	mostRoom  = 16 << 20
)

// large tells whether a text that may be JSON has too many values, or takes too
// much memory once it is read.
func large(text []byte) bool {
	most := mostRoom + 3*len(text)
	commas, lists, objects := bytes.Count(text, []byte(",")), bytes.Count(text, []byte("[")), bytes.Count(text, []byte("{"))
	if commas <= mostFuel && perValue*(commas+lists)+perObject*objects <= most {
		return false // with those in its strings
	}
	values, room, quoted := 1, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			values++
			room += perValue
		case c == '[':
			room += perValue
		case c == '{':
			room += perObject
		}
	}
	return values > mostFuel || room > most
}

// depth is how deep brackets are nested in a text that may be JSON.
func depth(text []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']', c == '}':
			now--
		}
	}
	return deepest
}
