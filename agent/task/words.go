package task

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is the length of the longest word that tells anything.
const longest = len("hexadecimal")

// word is a word in lower case.
type word struct {
	letters [longest]byte
	size    int // 0 is no word yet; more than longest: it is one that tells nothing
}

// add puts a letter or a digit at the end.
func (w *word) add(r rune) {
	if r >= utf8.RuneSelf {
		w.size = longest // with this one too long: no word of ours has such a letter
	}
	if w.size < longest {
		w.letters[w.size] = byte(r)
	}
	w.size++
}

// text is the word, "" when it tells nothing.
func (w *word) text() []byte {
	if w.size > longest {
		return nil
	}
	return w.letters[:w.size]
}

// makes is the class if this is the word, else "".
func (w *word) makes(this, class string) string {
	if string(w.text()) != this {
		return ""
	}
	return class
}

// words goes through a text once, without making another of it.
type words struct {
	text   string
	at     int  // the place behind the latest word
	word   word // the latest
	fence  bool // three backticks were met
	number bool // one of two digits or more was met: sums of single digits are within a small model's reach
}

// next reads the next word; false when there is no more.
func (t *words) next() bool {
	t.word.size = 0
	for t.at < len(t.text) {
		switch c := t.text[t.at]; {
		case 'a' <= c && c <= 'z':
			t.word.add(rune(c))
		case 'A' <= c && c <= 'Z':
			t.word.add(rune(c - 'A' + 'a'))
		case digit(c):
			t.number = t.number || t.at > 0 && digit(t.text[t.at-1])
			t.word.add(rune(c))
		case c >= utf8.RuneSelf:
			if t.foreign() {
				return true
			}
			continue
		default:
			t.fence = t.fence || c == '`' && strings.HasPrefix(t.text[t.at:], "```")
			if t.word.size > 0 {
				t.at++
				return true
			}
		}
		t.at++
	}
	return t.word.size > 0
}

// foreign reads what is not ASCII, and tells whether a word ends there.
func (t *words) foreign() bool {
	r, size := utf8.DecodeRuneInString(t.text[t.at:])
	t.at += size
	if r = unicode.ToLower(r); unicode.IsLetter(r) || unicode.IsDigit(r) {
		t.word.add(r)
		return false
	}
	return t.word.size > 0
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// operators are what stands between the numbers of a sum.
var operators = [...]string{"-", "+", "*", "/", "×", "÷", "^", "%", "times", "plus", "minus", "divided by", "to the power of", "multiplied by"}

// beginnings are the bytes that some operator begins with.
const beginnings = "-+*/\xc3^%tTpPmMdD"

// sum tells whether a text has two numbers and an operator between them.
func sum(text string) bool {
	for i := range len(text) {
		if !digit(text[i]) || i+1 < len(text) && digit(text[i+1]) {
			continue // only the last digit of a number has an operator behind it
		}
		rest := spaceless(text[i+1:])
		if rest == "" || strings.IndexByte(beginnings, rest[0]) < 0 {
			continue
		}
		for _, o := range operators {
			if behind := spaceless(after(rest, o)); behind != "" && digit(behind[0]) {
				return true
			}
		}
	}
	return false
}

// after is what comes behind an operator if the text begins with it, in whatever
// case, else "".
func after(text, operator string) string {
	for _, want := range operator {
		r, size := utf8.DecodeRuneInString(text)
		if unicode.ToLower(r) != want {
			return ""
		}
		text = text[size:]
	}
	return text
}

// spaceless is what comes behind the space, if the text begins with any.
func spaceless(text string) string {
	for text != "" && strings.IndexByte(" \t\n\f\r", text[0]) >= 0 {
		text = text[1:]
	}
	return text
}
