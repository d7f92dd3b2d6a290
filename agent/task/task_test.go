package task_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"nearside/agent/openai"
	"nearside/agent/task"
)

// asks is a chat request with this question.
func asks(t testing.TB, question, rest string) *openai.Request {
	t.Helper()
	content, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":` + string(content) + `}]` + rest + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOf: what a request wants of the form counts before its words; words count
// where they stand for themselves.
func TestOf(t *testing.T) {
	f := func(question, rest, want string) {
		t.Helper()
		if got := task.Of(asks(t, question, rest), question); got != want {
			t.Errorf("%.60q: got %s, want %s", question, got, want)
		}
	}
	f("What is 12 * 12?", "", "math")
	f("What is 1 * 2?", "", "chat")
	f("What is in flight 12?", "", "chat")
	f("Codeine is what?", "", "chat")
	f("What is the regular\nexpression?", "", "code")
	f("Describe the regular bus.", "", "open")
	f("What is 12 * 12?", `,"tools":[{"type":"function","function":{"name":"f"}}]`, "tools")
	f("What is 12 * 12?", `,"response_format":{"type":"json_object"}`, "schema")
	f(strings.Repeat("a", task.Long+1), "", "long")
	f(strings.Repeat("a ", task.Long)+"sql", "", "long")
}

// odd are pieces of questions that meet in ways nobody writes.
var odd = strings.Split(`a|A|An|sum|of|OF|Average|square|Square Root|root|stack|trace|regular|expression|program|query|Function|script|code|Code|Codes|sql|`+
	`hexadecimal|HEXADECIMAL|hexadecimals|Probability|percent|percentage|prime|why|Why|Explain|draft|translate|times|plus|minus|divided by|`+
	`to the power of|multiplied by|Times|DIVIDED BY|dİvided by|tİmes|mİnus|ratİo|İ|\u212a|bas\u212a|É|é|×|÷|^|%|*|/|+|-|1|12|3|٣|٣٣|x2|12x|Ⅻ|ǅ|ß|-12|`+
	"\x00|\xff|\xc3|\u2028|\u00a0|\v|\f|\t|\n|\r|.|,|'|`|``|```|_| |  |word|lighthouse|abcdefghijkl|abcdefghijk", "|")

// TestSame: the class is what the tables and the pattern tell, for pieces put
// together at random, for letters in all cases, and for texts of people.
func TestSame(t *testing.T) {
	same := func(question string) {
		t.Helper()
		r := &openai.Request{Service: openai.Chat}
		if got, want := task.Of(r, question), wording(question); got != want {
			t.Fatalf("%q: got %s, want %s", question, got, want)
		}
	}
	odd := slices.Concat(odd, slices.Sorted(maps.Keys(tells)), slices.Sorted(maps.Keys(openings)))
	for _, word := range odd {
		same(word)
		same(strings.ToUpper(word) + " it")
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		var question strings.Builder
		for range 1 + chance.IntN(8) {
			question.WriteString(odd[chance.IntN(len(odd))])
			if chance.IntN(3) > 0 {
				question.WriteByte(' ')
			}
		}
		same(question.String())
	}
	for r := range rune(unicode.MaxRune + 1) {
		if r > 0x3000 && r == unicode.ToLower(r) && r%64 > 0 {
			continue // one of many that are alike
		}
		same("stac" + string(r) + " trace" + string(r) + "12 t" + string(r) + "mes 3" + string(r) + "sql" + string(r))
	}
	for _, text := range people(t) {
		same(text)
	}
}

// people are the questions that other tests ask, a line of a file each.
func people(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"../../cmd/nearside/testdata/*.jsonl", "../../policy/gate/testdata/*.jsonl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no such file, %v", pattern, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.Split(string(text), "\n")...)
		}
	}
	return all
}

// FuzzOf: every question is of one of the classes, whatever bytes it is made of,
// and of the one that the tables and the pattern tell.
func FuzzOf(f *testing.F) {
	f.Add("What is 638 times 417?")
	f.Add("```\nx\n```")
	f.Add("Write É\xff 12^12")
	f.Add("12 dİvided by 3, or 4 \u212a")
	f.Fuzz(func(t *testing.T, question string) {
		got := task.Of(asks(t, question, ""), question)
		if !slices.Contains(task.Names(), got) {
			t.Errorf("%q is of class %q", question, got)
		}
		if len(question) <= task.Long && got != wording(question) {
			t.Errorf("%q: got %s, want %s", question, got, wording(question))
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for _, text := range []string{
		"What should one know about the lighthouse number 1234567 on this coast before going there by boat?",
		strings.Repeat("a word of a long text 12 ", 70),
	} {
		b.Run(strconv.Itoa(len(text)), func(b *testing.B) {
			r := asks(b, text, "")
			b.ReportAllocs()
			for b.Loop() {
				task.Of(r, text)
			}
		})
	}
}
