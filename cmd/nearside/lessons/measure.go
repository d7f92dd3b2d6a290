package lessons

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"nearside/cmd/nearside/shell"
	"nearside/policy/calib"
)

// Bounds of a file of questions.
const (
	maxQuestions = 10000
	maxQuestion  = 64 << 10 // bytes of a line
	patient      = "600000" // milliseconds for one answer: nobody waits for it, and a late one counts too
)

// checked is a question whose answer can be told right from wrong.
type checked struct {
	Question string
	Answer   *regexp.Regexp // what a right answer matches
}

// judgedDoc is one question's end, as `calibrate measure` prints it.
type judgedDoc struct {
	Question string  `json:"question"`
	Task     string  `json:"task"`
	Score    float64 `json:"score"`
	Good     bool    `json:"good"`
}

func calibrateMeasureCmd(g *shell.Globals) *cobra.Command {
	var questions, model string
	var out shell.Out
	c := &cobra.Command{
		Use: "measure --questions FILE --out FILE", Short: "Ask a local model questions with known answers, and make its calibration", Args: cobra.NoArgs,
		Long: `Asks the running daemon every question, of the local model alone, and judges its
answers. The questions are JSON lines: {"question":"...","answer":"regular expression"};
an answer that matches is good. Ask what your users ask, at least 200 questions and
of every class of task. The result is read by nearside calibrate show FILE and
import FILE.`,
		Example: `  nearside calibrate measure --questions mine.jsonl --out table.json
  nearside calibrate show table.json
  nearside calibrate import table.json && nearside config reload`,
		RunE: func(c *cobra.Command, _ []string) error {
			if questions == "" || out.Path == "" {
				return shell.Usage("--questions and --out are both needed")
			}
			all, err := readQuestions(questions)
			if err != nil {
				return shell.BadInput(err)
			}
			if err := out.Open(c, g); err != nil { // before the minutes that asking may take
				return fmt.Errorf("write calibration: %w", err)
			}
			t, err := measure(c, g, model, all)
			if err != nil {
				return err
			}
			return writeTable(&out, t)
		},
	}
	c.Flags().StringVar(&questions, "questions", "", "`FILE` of questions with known answers")
	c.Flags().StringVar(&model, "model", "", "local model by its `NAME`; not needed where there is one")
	c.Flags().StringVar(&out.Path, "out", "", "`FILE` for the calibration; - is standard output")
	return c
}

// readQuestions reads a file of questions, and names the line of the first bad
// one.
func readQuestions(path string) ([]checked, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []checked
	first := map[string]int{} // line of a question
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxQuestion)
	for line := 1; lines.Scan(); line++ {
		text := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\xef\xbb\xbf")))
		if len(text) == 0 {
			continue
		}
		q, err := readQuestion(text)
		if err == nil && first[q.Question] > 0 {
			err = fmt.Errorf("question: is that of line %d; one answer must not count twice", first[q.Question])
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
		first[q.Question] = line
		if all = append(all, q); len(all) > maxQuestions {
			return nil, fmt.Errorf("%s:%d: more than %d questions", path, line, maxQuestions)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: after %d questions: %w; a line has at most %d bytes", path, len(all), err, maxQuestion)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no questions", path)
	}
	return all, nil
}

func readQuestion(line []byte) (checked, error) {
	var wire struct{ Question, Answer string }
	if !utf8.Valid(line) {
		return checked{}, errors.New("is not UTF-8")
	}
	if err := json.Unmarshal(line, &wire); err != nil {
		return checked{}, err
	}
	if strings.TrimSpace(wire.Question) == "" || wire.Answer == "" {
		return checked{}, fmt.Errorf(`question and answer must both be there: {"question":"...","answer":"..."}`)
	}
	answer, err := regexp.Compile(wire.Answer)
	if err != nil {
		return checked{}, fmt.Errorf("answer: %w", err)
	}
	return checked{wire.Question, answer}, nil
}

// measure asks all questions and fits the table. An answer without a score, as
// from an engine that tells no probabilities, is counted and left out.
func measure(c *cobra.Command, g *shell.Globals, model string, all []checked) (*calib.Table, error) {
	_, m, err := localModel(g, model)
	if err != nil {
		return nil, err
	}
	id, err := identity(m)
	if err != nil {
		return nil, err
	}
	d, err := g.Daemon()
	if err != nil {
		return nil, err
	}
	var labels []calib.Label
	for _, q := range all {
		j, ok, err := judgeOne(c.Context(), d, "local/"+m.Name, q)
		if err != nil {
			return nil, fmt.Errorf("ask %q: %w", q.Question, err)
		}
		if !ok {
			continue
		}
		labels = append(labels, calib.Label{Task: j.Task, Score: j.Score, Good: number(j.Good), Gain: math.NaN()})
		if err := printJudged(g, c.OutOrStdout(), j); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d questions, %d answers with a score\n", len(all), len(labels))
	return calib.Fit(id, labels)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func printJudged(g *shell.Globals, out io.Writer, j judgedDoc) error {
	if g.JSON {
		return json.NewEncoder(out).Encode(j)
	}
	word := "wrong"
	if j.Good {
		word = "good"
	}
	_, err := fmt.Fprintf(out, "%.3f  %-5s  %-5s  %s\n", j.Score, word, j.Task, j.Question)
	return err
}

// judgeOne asks one question; ok is false when the answer has no score.
func judgeOne(ctx context.Context, d *shell.Client, model string, q checked) (j judgedDoc, ok bool, err error) {
	body, err := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": q.Question}}})
	if err != nil {
		return j, false, err
	}
	resp, err := d.Do(ctx, http.MethodPost, "/v1/chat/completions", body, http.Header{
		"Cache-Control": {"no-store"}, "X-Nearside-Mode": {"local"}, "X-Nearside-Deadline-Ms": {patient},
	})
	if err != nil {
		return j, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return j, false, shell.Failure(resp)
	}
	var said struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || len(said.Choices) == 0 {
		return j, false, fmt.Errorf("no answer in the reply: %w", err)
	}
	var record struct {
		Task    string
		Outcome struct{ Confidence *float64 }
	}
	if err := d.Get(ctx, "/v1/decisions/"+resp.Header.Get("x-nearside-decision"), &record); err != nil {
		return j, false, err
	}
	if record.Outcome.Confidence == nil {
		return j, false, nil
	}
	return judgedDoc{q.Question, record.Task, *record.Outcome.Confidence, q.Answer.MatchString(said.Choices[0].Message.Content)}, true, nil
}

// writeTable writes the table to where it is wanted.
func writeTable(out *shell.Out, t *calib.Table) error {
	text, err := t.Encode()
	if err != nil {
		return err
	}
	if err := out.Write(text, 0o644); err != nil {
		return fmt.Errorf("write calibration: %w", err)
	}
	return nil
}
