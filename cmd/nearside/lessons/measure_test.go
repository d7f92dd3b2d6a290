package lessons

import "testing"

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
