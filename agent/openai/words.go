package openai

import (
	"fmt"
	"math"
)

// at names a field inside a list: messages[2].role.
func at(list string, i int, field string) string {
	return fmt.Sprintf("%s[%d].%s", list, i, field)
}

// span says a range in words.
func span(lo, hi float64, whole bool) string {
	kind := "a number"
	if whole {
		kind = "a whole number"
	}
	if lo == hi {
		return fmt.Sprintf("%g", lo)
	}
	if math.Abs(hi) > 1e15 {
		return kind + " of at most 64 bits"
	}
	return fmt.Sprintf("%s from %g to %.0f", kind, lo, hi)
}
