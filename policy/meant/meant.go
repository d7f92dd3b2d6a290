// Package meant guesses which word was meant by one that nobody knows, so that a
// complaint about it can name the other. It is pure and knows only the standard
// library.
package meant

import "strings"

// maxWord bounds a word that is looked at, in bytes; longer ones are no typo.
const maxWord = 64

// Closest is the index of the known word that is closest to the word, whatever
// their case: it has at most two letters that differ, and they are at most half
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

// distance is how many letters must be put in, taken out or changed to make b of
// a (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
