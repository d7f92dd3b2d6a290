// Package meant guesses which word was meant by one that nobody knows, so that a
// complaint about it can name the other. It is pure and knows only the standard
// library.
package meant

import "strings"

// maxWord bounds a word that is looked at, in bytes; longer ones are no typo.
const maxWord = 64

// Closest is the index of the known word that is closest to the word, whatever
// their case: it has at most two slips, and they are at most half
// of it. Of several the first counts; it is -1 when none is close.
func Closest(word string, known []string) int {
	best, least := -1, 3
	if len(word) > maxWord {
		return best
	}
	word = strings.ToLower(word)
	for i, k := range known {
		if len(k) > maxWord {
			continue
		}
		if n := distance(word, strings.ToLower(k)); n < least && 2*n <= len(k) {
			best, least = i, n
		}
	}
	return best
}

// distance is how many letters must be put in, taken out or changed, and how many
// neighbours change places, to make b of a (Damerau 1964; optimal string alignment).
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				change = min(change, before[j-1]+1)
			}
			row[j+1] = min(change, row[j]+1, above[j+1]+1)
		}
	}
	return row[len(b)]
}
