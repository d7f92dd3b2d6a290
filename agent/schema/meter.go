package schema

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A check may take so many steps, one for every schema that meets a value.
// Each may leave a fault behind, which takes memory until the check ends.
const (
	leastFuel   = 20_000
	fuelPerByte = 16
	mostFuel    = 400_000
)

// meter has every part of the schema that can call for more work count its
// steps. The format of a part is looked at before all that is below it, so the
// count is taken there, for the parts below: one that fails by its type is left
// before its own format.
func (s *Schema) meter() {
	seen := map[*jsonschema.Schema]bool{}
	var visit func(part *jsonschema.Schema)
	visit = func(part *jsonschema.Schema) {
		if part == nil || seen[part] || part.Bool != nil {
			return
		}
		seen[part] = true
		own, here, each := part.Format, inPlace(part), perMember(part)
		part.Format = &jsonschema.Format{Name: "metered", Validate: func(v any) error {
			if s.fuel -= 1 + here + each*size(v); s.fuel < 0 {
				panic(errCostly)
			}
			if own == nil {
				return nil
			}
			return own.Validate(v)
		}}
		for _, below := range parts(part) {
			visit(below)
		}
	}
	visit(s.graph)
}

// inPlace counts the schemas that meet the same value as the part does.
func inPlace(s *jsonschema.Schema) int {
	n := len(s.AllOf) + len(s.AnyOf) + len(s.OneOf) + len(s.DependentSchemas) + len(s.Dependencies)
	for _, one := range []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else} {
		if one != nil {
			n++
		}
	}
	if s.DynamicRef != nil {
		n++
	}
	return n
}

// perMember counts the schemas that may meet each entry of a list or field of an
// object.
func perMember(s *jsonschema.Schema) int {
	n := len(s.PatternProperties)
	for _, there := range []bool{
		s.Properties != nil || s.AdditionalProperties != nil || s.PrefixItems != nil || s.Items2020 != nil || s.Items != nil || s.AdditionalItems != nil,
		s.Contains != nil, s.PropertyNames != nil, s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil,
	} {
		if there {
			n++
		}
	}
	return n
}

func size(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

// parts are the schemas that a schema applies.
func parts(s *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{
		s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties,
		s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema,
	}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	all = slices.Concat(all, s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems,
		slices.Collect(maps.Values(s.Properties)), slices.Collect(maps.Values(s.PatternProperties)), slices.Collect(maps.Values(s.DependentSchemas)))
	for _, v := range append(slices.Collect(maps.Values(s.Dependencies)), s.AdditionalProperties, s.Items, s.AdditionalItems) {
		switch v := v.(type) {
		case *jsonschema.Schema:
			all = append(all, v)
		case []*jsonschema.Schema:
			all = append(all, v...)
		}
	}
	return all
}

// maxPatterns bounds the size of all patterns of a schema together, repeats
// multiplied out.
const maxPatterns = 20_000

// patterns compiles regular expressions. Those of Go take time linear in the
// text; only their size has to be bounded.
type patterns struct {
	left  int
	loose bool // what only other engines know fits everything
}

func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil && p.loose && foreign(err) {
		return anything(text), nil
	}
	if err != nil {
		return nil, err
	}
	if p.left -= weight(tree); p.left < 0 {
		return nil, fmt.Errorf("its patterns are too large")
	}
	return regexp.Compile(text)
}

// foreign tells whether a pattern may be right for another engine: it looks
// around or back, or has escapes or counts that Go does not take.
func foreign(err error) bool {
	var e *syntax.Error
	return errors.As(err, &e) && slices.Contains([]syntax.ErrorCode{syntax.ErrInvalidPerlOp, syntax.ErrInvalidEscape, syntax.ErrInvalidRepeatSize}, e.Code)
}

// anything is a pattern that is not checked.
type anything string

func (anything) MatchString(string) bool { return true }
func (a anything) String() string        { return string(a) }

func weight(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += weight(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min, re.Max)
	}
	return n
}
