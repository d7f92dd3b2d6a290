// Package confidence says how sure a model was of its answer, from the
// probabilities of its words.
package confidence

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/agent/openai/completion"
)

// Of is how sure the model was of the words that decide its answer,
// 0 to 1: words that neither echo the question nor are mere grammar. It is
// exp((mean + min) / 2) of the log-probabilities of those words. An answer
// without such words is judged by all its words, and one without words by all
// its text; ok is false when there is none of known probability, as from a
// server that reports no probabilities.
//
// The form was chosen by measuring, see docs/ARCHITECTURE.md.
func Of(question string, tokens []completion.Token) (score float64, ok bool) {
	deciding := decisive(question, words(tokens))
	if len(deciding) == 0 {
		deciding = known(tokens)
	}
	if len(deciding) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, lp := range deciding {
		sum += lp
	}
	return math.Exp((sum/float64(len(deciding)) + slices.Min(deciding)) / 2), true
}

// decisive are the log-probabilities of the words that decide, else of all.
func decisive(question string, said []word) []float64 {
	asked := strings.FieldsFunc(strings.ToLower(question), notWord)
	var deciding, all []float64
	for _, w := range said {
		all = append(all, w.logprob)
		if !slices.Contains(asked, w.text) && !slices.Contains(grammar, w.text) {
			deciding = append(deciding, w.logprob)
		}
	}
	if len(deciding) == 0 {
		return all
	}
	return deciding
}

// known are the log-probabilities of all tokens that have text.
func known(tokens []completion.Token) []float64 {
	var out []float64
	for _, t := range tokens {
		if t.Text != "" && !math.IsNaN(t.Logprob) {
			out = append(out, sane(t.Logprob))
		}
	}
	return out
}

// sane is the log-probability within what one can be and what adds up.
func sane(logprob float64) float64 { return min(max(logprob, -100), 0) }

// grammar are words that say nothing about the answer.
var grammar = strings.Fields("the a an is are was were of in to and on at by for it its as that this with from")

type word struct {
	text    string // lower case letters and digits
	logprob float64
}

// words joins tokens to words, a new one at every token that begins with white
// space; its log-probability is the sum of its tokens'. Punctuation, white
// space and end marks belong to no word.
func words(tokens []completion.Token) []word {
	var out []word
	for _, t := range tokens {
		text := strings.Join(strings.FieldsFunc(strings.ToLower(t.Text), notWord), "")
		if text == "" || math.IsNaN(t.Logprob) {
			continue
		}
		lp := sane(t.Logprob)
		if first, _ := utf8.DecodeRuneInString(t.Text); len(out) == 0 || unicode.IsSpace(first) {
			out = append(out, word{text, lp})
			continue
		}
		last := &out[len(out)-1]
		last.text += text
		last.logprob += lp
	}
	return out
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
