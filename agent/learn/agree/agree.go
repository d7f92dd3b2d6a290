// Package agree tells whether two answers to a question say the same, by their
// words alone. It is a hint that costs nothing, for those who compare the device's
// answers with the cloud's. It is pure and knows only the standard library.
package agree

import (
	"slices"
	"strings"
	"unicode"
)

// short is the most words that may be left of an answer, without those that
// carry nothing, for another to be held against it.
const short = 12

// longest is the most bytes of a text that are looked at word by word.
const longest = 2000

// empty are words that carry nothing, whatever is asked.
var empty = words("a an and answer are as at be by for from has have in is it its of on or that the there these this to was were which with")

// digits are numbers by their words.
var digits = map[string]string{
	"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
	"seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}

// Same tells whether two answers to a question say the same, by their words:
// those of the one that says less must all be in the other, besides words of
// the question and such that carry nothing. known is false where words cannot
// tell, since an answer is long or says nothing. It is a hint, not a proof: it
// reads "Lee Harper" as "Harper Lee", and "large" as another word than "big".
func Same(question, one, other string) (same, known bool) {
	if strings.TrimSpace(one) == "" || strings.TrimSpace(other) == "" {
		return false, false
	}
	if strings.TrimSpace(one) == strings.TrimSpace(other) {
		return true, true
	}
	if max(len(one), len(other)) > longest {
		return false, false
	}
	x, y := words(one), words(other)
	if len(x) > 0 && slices.Equal(x, y) {
		return true, true
	}
	x, y = distinct(without(x, empty)), distinct(without(y, empty))
	asked := words(question[max(0, len(question)-longest):])
	if a, b := without(x, asked), without(y, asked); len(a) > 0 && len(b) > 0 {
		x, y = a, b
	}
	if len(x) == 0 || len(y) == 0 || min(len(x), len(y)) > short {
		return false, false
	}
	if len(x) > len(y) {
		x, y = y, x
	}
	return negated(x) == negated(y) && len(without(x, y)) == 0, true
}

// Telling tells whether [Same] can say anything of an answer.
func Telling(answer string) bool {
	if len(answer) > longest {
		return false
	}
	n := len(distinct(without(words(answer), empty)))
	return n > 0 && n <= short
}

// words are the words and numbers of a text, in small letters.
func words(text string) []string {
	list := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, "’", "'")), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
	})
	for i, w := range list {
		if digit, ok := digits[w]; ok {
			list[i] = digit
		}
	}
	return list
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(w string) bool { return slices.Contains(others, w) })
}

func negated(list []string) bool {
	return slices.ContainsFunc(list, func(w string) bool {
		return w == "not" || w == "no" || w == "never" || strings.HasSuffix(w, "n't")
	})
}
