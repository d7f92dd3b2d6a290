package agree_test

import (
	"strings"
	"testing"

	"nearside/agent/learn/agree"
)

func TestAgree(t *testing.T) {
	long := strings.Repeat("many different words are here now ", 1) + "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu"
	for _, c := range []struct {
		question, one, other string
		same, known          bool
	}{
		{"What is the capital of France?", "The capital of France is Paris.", "Paris", true, true},
		{"What is the capital of France?", "Paris", "It's Lyon.", false, true},
		{"What is the capital of Australia?", "The capital of Australia is Sydney.", "The capital of Australia is Canberra.", false, true},
		{"Who wrote To Kill a Mockingbird?", "Lee Harper", "Harper Lee wrote it.", true, true},
		{"Who wrote Hamlet?", "William Shakespeare", "Shakespeare.", true, true},
		{"How many legs has a spider?", "A spider has eight legs.", "8", true, true},
		{"How many legs has a spider?", "Six.", "8", false, true},
		{"Is the sea salty?", "Yes", "Yes, it is.", true, true},
		{"Is glass a liquid?", "Glass is a liquid.", "Glass is not a liquid.", false, true},
		{"Is glass a liquid?", "It is a liquid.", "It isn’t.", false, true},
		{"Which is larger, Earth or Mars?", "Earth", "Earth is larger.", true, true},
		{"Which is larger, Earth or Mars?", "Mars", "Earth", false, true},
		{"Name a colour", "", "red", false, false},
		{"Name a colour", "...", "red", false, false},
		{"Tell me a story", long, "another " + long, false, false},
		{"Tell me a story", long, strings.ToUpper(long) + "!", true, true},
		{"Was ist die Hauptstadt von Österreich?", "Wien.", "Die Hauptstadt ist WIEN", true, true},
	} {
		for range 2 {
			if same, known := agree.Same(c.question, c.one, c.other); same != c.same || known != c.known {
				t.Errorf("%q: %q and %q: got %t, known %t; want %t, %t", c.question, c.one, c.other, same, known, c.same, c.known)
			}
			c.one, c.other = c.other, c.one
		}
	}
}

// FuzzAgree: an answer agrees with itself, and who comes first does not matter.
func FuzzAgree(f *testing.F) {
	f.Add("What is it?", "It is not 4", "four")
	f.Add("", "\xff", "’")
	f.Fuzz(func(t *testing.T, question, one, other string) {
		same, known := agree.Same(question, one, other)
		again, alsoKnown := agree.Same(question, other, one)
		if same != again || known != alsoKnown || same && !known {
			t.Errorf("%q, %q, %q: got %t %t, and %t %t the other way round", question, one, other, same, known, again, alsoKnown)
		}
		if same, _ := agree.Same(question, one, one); strings.TrimSpace(one) != "" && !same {
			t.Errorf("%q does not agree with itself", one)
		}
	})
}
