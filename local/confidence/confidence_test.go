package confidence_test

import (
	"math"
	"testing"

	"nearside/agent/openai/completion"
	"nearside/local/confidence"
)

func TestConfidence(t *testing.T) {
	tok := func(pairs ...any) (out []completion.Token) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, completion.Token{Text: pairs[i].(string), Logprob: pairs[i+1].(float64)})
		}
		return out
	}
	for _, c := range []struct {
		name     string
		question string
		tokens   []completion.Token
		want     float64
		ok       bool
	}{
		{"nothing", "x", nil, 0, false},
		{"more than certain", "x", tok(" red", 3.0), 1, true},
		{"no words", "x", tok(" ", -0.2, "?!", -0.4), math.Exp(-(0.3 + 0.4) / 2), true},
		{"only an end mark", "x", tok("", -3.0), 0, false},
		{"the answer alone counts", "What is the capital of France?", tok("The", -1.0, " capital", -2.0, " of", -3.0, " France", -1.0, " is", -1.0, " Paris", -0.5, ".", -4.0), math.Exp(-0.5), true},
		{"a word is the sum of its tokens", "x", tok(" Vien", -0.2, "na", -0.4), math.Exp(-0.6), true},
		{"mean and worst", "x", tok(" red", -0.2, " blue", -0.6), math.Exp(-(0.4 + 0.6) / 2), true},
		{"all echo: all words count", "red blue", tok(" red", -0.2, " blue", -0.6), math.Exp(-(0.4 + 0.6) / 2), true},
		{"not a number", "x", tok(" red", math.NaN()), 0, false},
		{"no chance", "x", tok(" red", math.Inf(-1)), math.Exp(-100), true},
	} {
		got, ok := confidence.Of(c.question, c.tokens)
		if math.Abs(got-c.want) > 1e-9 || ok != c.ok {
			t.Errorf("%s: got %v %v, want %v %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzConfidence(f *testing.F) {
	f.Add("q", " a", -1.0, "b", -2.0)
	f.Add("q", " a", 1e300, "?", math.Inf(1))
	f.Fuzz(func(t *testing.T, q, a string, la float64, b string, lb float64) {
		got, ok := confidence.Of(q, []completion.Token{{Text: a, Logprob: la}, {Text: b, Logprob: lb}})
		if !(got >= 0 && got <= 1) || !ok && got != 0 {
			t.Errorf("got %v", got)
		}
	})
}
