package task_test

import (
	"cmp"
	"maps"
	"regexp"
	"strings"
	"unicode"
)

// What follows tells the class of a question by tables and a pattern, in several
// passes over a copy in lower case: slowly, and plainly right. TestSame and FuzzOf
// hold the package to it.

// tells are words, and pairs of words, that give a task class away.
var tells = classes(map[string]string{
	"code": "sql regex python golang javascript typescript java rust bash compile code",
	"math": "derivative integral solve equation prime factorial remainder logarithm matrix probability percent percentage ratio hexadecimal binary decimal",
}, map[string]string{
	"regular expression": "code", "stack trace": "code", "a program": "code", "a script": "code", "a function": "code", "a query": "code",
	"square root": "math", "sum of": "math", "average of": "math",
})

// beginsPair are the words with which a pair of them begins.
var beginsPair = beginnings(tells)

func beginnings(tells map[string]string) map[string]bool {
	out := map[string]bool{}
	for text := range tells {
		if word, _, ok := strings.Cut(text, " "); ok {
			out[word] = true
		}
	}
	return out
}

// openings are first words that ask for more than a fact.
var openings = map[string]bool{
	"explain": true, "compare": true, "analyze": true, "analyse": true, "discuss": true, "summarize": true, "summarise": true,
	"translate": true, "write": true, "why": true, "describe": true, "draft": true,
}

// arithmetic is two numbers and an operator between them.
var arithmetic = regexp.MustCompile(`\d\s*([-+*/×÷^%]|times|plus|minus|divided by|to the power of|multiplied by)\s*\d`)

// classes turns lists of words into a look-up, beside the pairs.
func classes(lists, pairs map[string]string) map[string]string {
	out := maps.Clone(pairs)
	for class, list := range lists {
		for w := range strings.FieldsSeq(list) {
			out[w] = class
		}
	}
	return out
}

// wording is the class that the words of a text tell, as [task.Of] is to have it.
func wording(text string) string {
	text = strings.ToLower(text)
	if strings.Contains(text, "```") {
		return "code"
	}
	before, first := "", ""
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		class := tells[w]
		if class == "" && beginsPair[before] {
			class = tells[before+" "+w]
		}
		if class != "" {
			return class
		}
		before, first = w, cmp.Or(first, w)
	}
	switch {
	case twoDigits(text) && sum(text):
		return "math"
	case openings[first]:
		return "open"
	}
	return "chat"
}

// sum tells whether a text has a sum in it; most have nothing that looks like one.
func sum(text string) bool {
	looks := strings.ContainsAny(text, "-+*/×÷^%") || strings.Contains(text, "times") || strings.Contains(text, "plus") ||
		strings.Contains(text, "minus") || strings.Contains(text, "divided") || strings.Contains(text, "power") || strings.Contains(text, "multiplied")
	return looks && arithmetic.MatchString(text)
}

// twoDigits tells whether some number has two digits or more: sums of single
// digits are within a small model's reach.
func twoDigits(text string) bool {
	run := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			run = 0
			continue
		}
		if run++; run == 2 {
			return true
		}
	}
	return false
}
