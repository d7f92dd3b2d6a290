package strict

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Secret marks a struct that says where a secret is. When a key is in its place,
// unknown names in it are not repeated in errors.
type Secret interface{ IsSecret() }

// Forms is a value that may be written as a list or as keys with values. Form
// gives where to read it into, a pointer.
type Forms interface{ Form(keyed bool) any }

// Decoder is the outcome of [Decode]: what was wrong with a text so far, and
// where everything in it stands.
type Decoder struct {
	faults
	places map[string]place
}

// Decode reads text over what is already in out, a pointer to a struct whose
// fields have JSON tags. Durations and types with an UnmarshalText are read from
// their text. The name of the file is for errors; the size of the text is for
// the caller to bound. An empty text changes nothing.
func Decode(file string, text []byte, out any) *Decoder {
	d := &Decoder{faults: faults{file: file}, places: map[string]place{"": {1, 1}}}
	node, f := parse(text)
	if f != nil {
		d.list = append(d.list, *f)
		return d
	}
	if node != nil {
		d.value("", node, reflect.ValueOf(out).Elem())
	}
	return d
}

// Err has a line for every fault, in the order of the text, that begins with
// file:line:column; nil when there is none.
func (d *Decoder) Err() error {
	if len(d.list) == 0 {
		return nil
	}
	return &d.faults
}

// Report adds what is wrong with a value, by its path of keys. Its line is that
// of the path, or of the nearest key above it that is there.
func (d *Decoder) Report(path, message string) { d.fault(path, "%s", message) }

func (d *Decoder) fault(path, format string, args ...any) {
	d.list = append(d.list, fault{d.placed(path), path, fmt.Sprintf(format, args...)})
}

// Place is where a path of keys, or the nearest one above it that is there,
// stands in the text, from 1.
func (d *Decoder) Place(path string) (line, column int) {
	at := d.placed(path)
	return at.line, at.column
}

func (d *Decoder) placed(path string) place {
	at, ok := d.places[path]
	for above := path; !ok; at, ok = d.places[above] {
		above = above[:max(0, strings.LastIndexAny(above, ".["))]
	}
	return at
}

func (d *Decoder) value(path string, node ast.Node, out reflect.Value) {
	if _, ok := node.(*ast.NullNode); ok {
		d.fault(path, "has no value; give it one or remove it")
		return
	}
	if out.Kind() == reflect.Pointer {
		out.Set(reflect.New(out.Type().Elem()))
		d.value(path, node, out.Elem())
		return
	}
	if d.special(path, node, out) {
		return
	}
	if f, ok := out.Addr().Interface().(Forms); ok {
		_, keyed := node.(ast.MapNode)
		out = reflect.ValueOf(f.Form(keyed)).Elem()
	}
	switch out.Kind() {
	case reflect.Struct:
		d.record(path, node, out)
	case reflect.Map:
		d.table(path, node, out)
	case reflect.Slice:
		d.sequence(path, node, out)
	default:
		d.scalar(path, node, out)
	}
}

// special reads plain values of types that have a text of their own.
func (d *Decoder) special(path string, node ast.Node, out reflect.Value) bool {
	plain, ok := node.(ast.ScalarNode)
	if !ok {
		return false
	}
	var err error
	switch x := out.Addr().Interface().(type) {
	case *time.Duration:
		*x, err = parseDuration(textOf(plain))
	case encoding.TextUnmarshaler:
		err = x.UnmarshalText([]byte(textOf(plain)))
	default:
		return false
	}
	if err != nil {
		d.fault(path, "%s", err)
	}
	return true
}

// textOf is a plain value as it was written, without quotes.
func textOf(node ast.ScalarNode) string {
	if block, ok := node.(*ast.LiteralNode); ok {
		return block.Value.Value
	}
	return node.GetToken().Value
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("must be a duration with a unit, such as 30s, 10m or 168h")
	}
	return d, nil
}

// record reads keys with values into a struct.
func (d *Decoder) record(path string, node ast.Node, out reflect.Value) {
	d.entries(path, node, func(name, at string, value ast.Node) {
		if field, ok := fieldOf(out, name); ok {
			d.value(at, value, field)
			return
		}
		names := namesOf(out.Type())
		if _, ok := out.Interface().(Secret); ok {
			// The name may be the secret itself, in braces.
			d.list = append(d.list, fault{d.places[at], path, "has an unknown key; known are " + strings.Join(names, ", ")})
			return
		}
		d.fault(at, "unknown key; %s", Suggest(name, names))
	})
}

// table reads keys with values into a map.
func (d *Decoder) table(path string, node ast.Node, out reflect.Value) {
	out.Set(reflect.MakeMap(out.Type()))
	d.entries(path, node, func(name, at string, value ast.Node) {
		element := reflect.New(out.Type().Elem()).Elem()
		d.value(at, value, element)
		out.SetMapIndex(reflect.ValueOf(name), element)
	})
}

// entries calls f for every key of a mapping, with its own path, once.
func (d *Decoder) entries(path string, node ast.Node, f func(name, at string, value ast.Node)) {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		d.fault(path, "must be keys with values, not %s", describe(node))
		return
	}
	seen := map[string]bool{}
	for entries := mapping.MapRange(); entries.Next(); {
		name, at := entries.Key().GetToken().Value, path
		if at != "" {
			at += "."
		}
		at += name
		first := d.places[at]
		d.places[at] = placeOf(entries.Key().GetToken())
		if seen[name] {
			d.fault(at, "is there twice, first in line %d", first.line)
			continue
		}
		seen[name] = true
		f(name, at, entries.Value())
	}
}

func (d *Decoder) sequence(path string, node ast.Node, out reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fault(path, "must be a list, not %s", describe(node))
		return
	}
	out.Set(reflect.MakeSlice(out.Type(), len(list.Values), len(list.Values)))
	for i, value := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = placeOf(firstToken(value))
		d.value(at, value, out.Index(i))
	}
}

// firstToken is where a node begins; a mapping says where its first colon is.
func firstToken(node ast.Node) *token.Token {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return node.GetToken()
}

func (d *Decoder) scalar(path string, node ast.Node, out reflect.Value) {
	switch out.Kind() {
	case reflect.String:
		d.text(path, node, out)
	case reflect.Bool:
		if b, ok := node.(*ast.BoolNode); ok {
			out.SetBool(b.Value)
			return
		}
		d.fault(path, "must be true or false, not %s", describe(node))
	case reflect.Float64:
		if f, ok := float(node); ok {
			out.SetFloat(f)
			return
		}
		d.fault(path, "must be a number, not %s", describe(node))
	default:
		d.integer(path, node, out)
	}
}

func (d *Decoder) text(path string, node ast.Node, out reflect.Value) {
	switch x := node.(type) {
	case *ast.StringNode:
		out.SetString(x.Value)
	case *ast.LiteralNode:
		out.SetString(x.Value.Value)
	case ast.ScalarNode:
		d.fault(path, "must be text, not %s; put it in quotes", describe(node))
	default:
		d.fault(path, "must be text, not %s", describe(node))
	}
}

func (d *Decoder) integer(path string, node ast.Node, out reflect.Value) {
	whole, ok := node.(*ast.IntegerNode)
	if !ok {
		d.fault(path, "must be a whole number, not %s", describe(node))
		return
	}
	n := reflect.ValueOf(whole.Value)
	if !n.CanConvert(out.Type()) || n.CanUint() && n.Uint() > 1<<62 || n.CanInt() && out.OverflowInt(n.Int()) {
		d.fault(path, "is out of range")
		return
	}
	out.Set(n.Convert(out.Type()))
}

func float(node ast.Node) (float64, bool) {
	switch x := node.(type) {
	case *ast.FloatNode:
		return x.Value, true
	case *ast.IntegerNode:
		return reflect.ValueOf(x.Value).Convert(reflect.TypeFor[float64]()).Float(), true
	case *ast.StringNode:
		if x.Token.Type == token.StringType {
			return exponential(x.Value)
		}
	}
	return 0, false
}

// exponential reads a number such as 1e-05, which YAML and JSON have and the
// parser takes for a text, since it has no point.
func exponential(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789eE+-") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// describe says what a node is, never what is in it.
func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys with values"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode:
		return "a number"
	case *ast.FloatNode:
		return "a decimal number"
	case *ast.InfinityNode, *ast.NanNode:
		return "infinity or nan"
	}
	return "text"
}
