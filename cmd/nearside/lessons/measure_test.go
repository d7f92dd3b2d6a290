package lessons

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadQuestions: what is odd about a file is told by line, or does no harm.
func TestReadQuestions(t *testing.T) {
	const one, two = `{"question":"What is 2+2?","answer":"4"}`, `{"question":"Who wrote Faust?","answer":"Goethe"}`
	for _, c := range []struct {
		text, want string
		n          int
	}{
		{"\xef\xbb\xbf" + one + "\r\n\r\n" + two + "\r\n", "", 2},
		{one + "\n" + two + "\n\n" + one, ":4: question: is that of line 1; one answer must not count twice", 0},
		{one + "\n" + `{"question":" ","answer":"4"}`, ":2: question and answer must both be there", 0},
		{"{\"question\":\"caf\xe9\",\"answer\":\"x\"}", ":1: is not UTF-8", 0},
		{`{"question":"x","answer":"("}`, ":1: answer: error parsing regexp", 0},
		{"\n", " has no questions", 0},
	} {
		file := filepath.Join(t.TempDir(), "questions.jsonl")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := readQuestions(file)
		if len(all) != c.n || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %d questions, %v; want %d, %s", c.text, len(all), err, c.n, c.want)
		}
	}
}

// FuzzReadQuestion: any line is refused or is a question whose answers can be
// judged.
func FuzzReadQuestion(f *testing.F) {
	f.Add([]byte(`{"question":"What is the capital of France?","answer":"(?i)paris"}`), "It is Paris.")
	f.Add([]byte(`{"question":"x","answer":"((((a{1000}){1000}"}`), "a")
	f.Add([]byte("\xff"), "")
	f.Fuzz(func(t *testing.T, line []byte, answer string) {
		q, err := readQuestion(line)
		if err != nil {
			return
		}
		if q.Question == "" || q.Answer == nil {
			t.Errorf("%q is taken as %v", line, q)
		}
		q.Answer.MatchString(answer)
	})
}
