package chat

import "math"

// maxDepth and maxItems bound what a schema can make the fake write.
const (
	maxDepth = 6
	maxItems = 3
)

// sample is a value that fits a simple JSON schema: const, enum, anyOf, type,
// properties, items, minItems, minimum and maximum are looked at, everything
// else is not. Strings are text.
func sample(schema map[string]any, text string, depth int) any {
	if depth > maxDepth {
		return nil
	}
	if v, ok := schema["const"]; ok {
		return v
	}
	if values, ok := schema["enum"].([]any); ok && len(values) > 0 {
		return values[0]
	}
	if anyOf, ok := schema["anyOf"].([]any); ok && len(anyOf) > 0 {
		first, _ := anyOf[0].(map[string]any)
		return sample(first, text, depth+1)
	}
	return sampleType(schema, text, depth)
}

func sampleType(schema map[string]any, text string, depth int) any {
	switch typeOf(schema) {
	case "object":
		object := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			inner, _ := property.(map[string]any)
			object[name] = sample(inner, text, depth+1)
		}
		return object
	case "array":
		items, _ := schema["items"].(map[string]any)
		array := []any{}
		for range int(number(schema, "minItems", 1, maxItems)) {
			array = append(array, sample(items, text, depth+1))
		}
		return array
	case "integer":
		return math.Ceil(within(schema))
	case "number":
		return within(schema)
	case "boolean":
		return true
	case "null":
		return nil
	}
	return text
}

// typeOf is the type of a schema, the first if there are several.
func typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			first, _ := t[0].(string)
			return first
		}
	}
	if schema["properties"] != nil {
		return "object"
	}
	return "string"
}

// within is 1, or what is next to it inside the schema's limits.
func within(schema map[string]any) float64 {
	least := number(schema, "minimum", -math.MaxFloat64, math.MaxFloat64)
	return max(min(1, number(schema, "maximum", 1, 1)), least)
}

// number is a keyword's value up to a limit, or what it is when absent.
func number(schema map[string]any, keyword string, absent, limit float64) float64 {
	v, ok := schema[keyword].(float64)
	if !ok {
		return absent
	}
	return min(v, limit)
}
