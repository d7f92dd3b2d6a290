package deferral

import (
	"strings"
	"unicode"
)

// maxText is how many bytes of a text are looked at.
const maxText = 32 << 10

// endings are cut off words, the first that leaves four letters.
var endings = [...]string{"ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "ly"}

// words are the words of a text, small and without their endings. A number is
// "0", whatever it is, and a sign of arithmetic is a word.
func words(text string) []string {
	var out []string
	for text = strings.ToLower(text); text != ""; {
		size, kind := run(text)
		switch piece := text[:size]; kind {
		case letters:
			out = append(out, stem(piece))
		case digits:
			out = append(out, "0")
		case sign:
			out = append(out, piece)
		}
		text = text[size:]
	}
	return out
}

const (
	other = iota
	letters
	digits
	sign
)

func kindOf(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return letters
	case unicode.IsDigit(r):
		return digits
	case strings.ContainsRune("=+^<>%$*/|_", r):
		return sign
	}
	return other
}

// run is how many bytes at the front of the text are of one kind, and which;
// signs stand alone.
func run(text string) (size, kind int) {
	for i, r := range text {
		k := kindOf(r)
		if i > 0 && (k != kind || kind == sign) {
			return i, kind
		}
		kind = k
	}
	return len(text), kind
}

func stem(word string) string {
	for _, e := range endings {
		if len(word) >= len(e)+4 && strings.HasSuffix(word, e) {
			return word[:len(word)-len(e)]
		}
	}
	return word
}
