package deferral

import (
	"math"
	"strings"
	"unicode"
)

// shape is what is counted of a text.
type shape struct {
	length, digits, upper, signs, punct, lines, quotes float64
	stem                                               string   // the text before its choices
	choices                                            []string // of a question with lettered choices
}

// look counts, and finds the choices: lines such as "A. Paris", "b) Rome".
func look(text string) shape {
	s := shape{length: float64(len(text)), stem: text}
	for _, r := range text {
		s.count(r)
	}
	for at := 0; at < len(text); {
		line, _, _ := strings.Cut(text[at:], "\n")
		if choice, ok := lettered(line); ok {
			if len(s.choices) == 0 {
				s.stem = text[:at]
			}
			s.choices = append(s.choices, choice)
		}
		at += len(line) + 1
	}
	return s
}

func (s *shape) count(r rune) {
	switch {
	case unicode.IsDigit(r):
		s.digits++
	case unicode.IsUpper(r):
		s.upper++
	case strings.ContainsRune("=+^<>*/\\_", r):
		s.signs++
	case unicode.IsPunct(r):
		s.punct++
	case r == '\n':
		s.lines++
	}
	if r == '"' || r == '\'' {
		s.quotes++
	}
}

// lettered is what follows the letter of a choice.
func lettered(line string) (choice string, ok bool) {
	if len(line) < 2 || !strings.ContainsRune(".:)", rune(line[1])) {
		return "", false
	}
	letter := line[0] | 0x20
	return strings.TrimSpace(line[2:]), letter >= 'a' && letter <= 'j'
}

// counts are numbers about a text, each of the size of one.
func counts(text string) [counted]float64 {
	s := look(text)
	ask := math.Log1p(float64(len(s.stem)))
	size, spread := s.lengths()
	numbered, sweeping := s.kinds()
	per := 20 / math.Max(1, s.length)
	out := [counted]float64{
		(math.Log1p(s.length) - 5.5) / 0.8, (ask - 4.8) / 0.9,
		math.Log1p(s.digits) - 1, s.digits * per / 2, math.Log1p(s.signs) - 0.5, s.upper*per - 0.6, s.punct*per - 0.6,
		math.Log1p(s.lines) - 1.7, math.Log1p(s.quotes) - 0.5,
		is(s.signs > 0), is(s.digits > 0),
		size - 3, 2 * spread, wordLength(s.stem) - 5, numbered / 2, sweeping,
		is(strings.Contains(s.stem, "___")), is(strings.HasSuffix(strings.TrimSpace(s.stem), "?")),
		is(strings.Contains(s.stem, "NOT") || strings.Contains(s.stem, "EXCEPT")), is(strings.Contains(s.stem, "Statement ")),
	}
	for i, v := range out {
		out[i] = math.Max(-2, math.Min(2, v))
	}
	return out
}

// lengths are mean and spread of the choices' lengths, on a logarithmic scale.
func (s *shape) lengths() (mean, spread float64) {
	n := math.Max(1, float64(len(s.choices)))
	for _, c := range s.choices {
		mean += math.Log1p(float64(len(c))) / n
	}
	for _, c := range s.choices {
		d := math.Log1p(float64(len(c))) - mean
		spread += d * d / n
	}
	return mean, math.Sqrt(spread)
}

// kinds are how many choices have a digit, and how many speak of the others.
func (s *shape) kinds() (numbered, sweeping float64) {
	for _, c := range s.choices {
		numbered += is(strings.ContainsAny(c, "0123456789"))
		sweeping += is(strings.Contains(c, "All of") || strings.Contains(c, "None of"))
	}
	return numbered, sweeping
}

func wordLength(text string) float64 {
	fields := strings.Fields(text)
	total := 0
	for _, f := range fields {
		total += len(f)
	}
	return float64(total) / math.Max(1, float64(len(fields)))
}

func is(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
