package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed is a folder with these files in one folder of it; what is called .gz
// is compressed.
func packed(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		var out bytes.Buffer
		out.WriteString(text)
		if strings.HasSuffix(name, ".gz") {
			out.Reset()
			z := gzip.NewWriter(&out)
			z.Write([]byte(text))
			z.Close()
		}
		if err := os.WriteFile(filepath.Join(dir, folder, name), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// measured runs one part and gives what it printed.
func measured(dir, folder string) (string, error) {
	var out bytes.Buffer
	err := run(dir, folder, &sheet{out: &out, notes: new(bytes.Buffer), figures: map[string]float64{}})
	return out.String(), err
}

// TestRowsRefused: a row that is not as it must be is named by file, line and
// field, and never taken for a wrong answer.
func TestRowsRefused(t *testing.T) {
	const good = `{"prompt":"a b","weak_correct":true,"strong_correct":true}`
	for _, c := range []struct{ row, want string }{
		{`{"prompt":"a b","strong_correct":true}`, "mmlu.jsonl.gz:3: weak_correct: is missing"},
		{`{"prompt":"a b","weak_correct":true,"strong_correct":null}`, "mmlu.jsonl.gz:3: strong_correct: is missing"},
		{`{"prompt":"a b","weak_correct":1,"strong_correct":true}`, "mmlu.jsonl.gz:3: json: cannot unmarshal number"},
		{`{"prompt":null,"weak_correct":true,"strong_correct":true}`, "mmlu.jsonl.gz:3: prompt: is missing"},
		{`null`, "mmlu.jsonl.gz:3: prompt: is missing"},
		{"{\"prompt\":\"\xff\"}", "mmlu.jsonl.gz:3: is not UTF-8"},
		{`{"prompt":"` + strings.Repeat("a", maxLine) + `"}`, "mmlu.jsonl.gz:3: bufio.Scanner: token too long"},
		{"", "of 2 rows 1 are labels: fit deferral"},
	} {
		dir := packed(t, "routellm-mmlu", map[string]string{"mmlu.jsonl.gz": mark + good + "\n\n" + c.row + "\n" + good})
		if _, err := measured(dir, "routellm-mmlu"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.row, err, c.want)
		}
	}
}

// TestAnswersRefused: the same of rows that several models answered.
func TestAnswersRefused(t *testing.T) {
	const all = `{"id":1,"models":{"llama3.2-3b":%s,"llama3.1-8b":{"correct":true},"gpt-4o":{"correct":true}}}`
	good := fmt.Sprintf(all, `{"correct":true,"logconf":-0.1}`)
	for _, c := range []struct{ row, want string }{
		{fmt.Sprintf(all, `{"logconf":-0.1}`), ":2: models.llama3.2-3b.correct: is missing"},
		{fmt.Sprintf(all, `{"correct":false,"logconf":0.5}`), ":2: models.llama3.2-3b.logconf: is 0.5"},
		{`{"id":1,"models":{"small":{"correct":true},"big":{"correct":true}}}`, ":2: models: has no answer of llama3.2-3b, only of big, small"},
		{`{"models":{}}`, ":2: id: is missing"},
	} {
		dir := packed(t, "mmlu-logprobs", map[string]string{"train.jsonl.gz": good, "test.jsonl.gz": good + "\n" + c.row})
		if _, err := measured(dir, "mmlu-logprobs"); err == nil || !strings.Contains(err.Error(), "test.jsonl.gz"+c.want) {
			t.Errorf("%s: got %v, want %s", c.row, err, c.want)
		}
	}
}

// TestUndefined: figures that data does not have are named, not printed, and
// the rest is.
func TestUndefined(t *testing.T) {
	const row = `{"id":%d,"models":{"llama3.2-3b":{"correct":true,"logconf":-0.%d},"llama3.1-8b":{"correct":true},"gpt-4o":{"correct":true}}}` + "\n"
	var rows string
	for i := range 30 {
		rows += fmt.Sprintf(row, i, i)
	}
	dir := packed(t, "mmlu-logprobs", map[string]string{"train.jsonl.gz": rows, "test.jsonl.gz": rows})
	out, err := measured(dir, "")
	for _, want := range []string{"not defined on this data", ": mmlu3b_apgr, mmlu3b_nu", "measure routellm-mmlu: ", "measure clinc150: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if !strings.Contains(out, "eval mmlu3b_ece 0.") || strings.Contains(out, "NaN") {
		t.Errorf("printed %s", out)
	}
}

// scope is splits of two intents, with these in place of some of them.
func scope(splits string) string {
	var some string
	for i := range 4 {
		some += fmt.Sprintf(`["open window %d","open"],["play music %d","play"],`, i, i)
	}
	some = strings.TrimSuffix(some, ",")
	return `{"note":"by hand","oos_train":[],"train":[` + some + `],"test":[` + some + `],"oos_test":[["who wrote it","none"]]` + splits + "}"
}

// TestSplits: other labels for what is outside, no val, one row outside.
func TestSplits(t *testing.T) {
	for _, splits := range []string{"", `,"oos_val":[]`, `,"oos_val":[["who sang it","none"],["who said it","none"]]`} {
		dir := packed(t, "clinc150", map[string]string{"data_full.json": scope(splits)})
		out, err := measured(dir, "clinc150")
		if err != nil || !strings.Contains(out, "eval clinc_inscope_acc 1\neval clinc_auroc 1\n") {
			t.Errorf("%q: %v, printed %s", splits, err, out)
		}
	}
	for _, c := range []struct{ text, want string }{
		{scope(`,"val":[["a b","open"],["c d"]]`), `data_full.json: val[1]: is ["c d"]; it must be ["text", "intent"]`},
		{scope(`,"val":[["a b",null]]`), `val[0]: is ["a b",null]`},
		{scope(`,"val":[["a","b","c"]]`), `val[0]: is ["a","b","c"]`},
		{scope(`,"val":{}`), `data_full.json: val: json: cannot unmarshal object`},
		{scope(`,"oos_test":[]`), "split oos_test is missing or empty"},
		{scope("")[:40], "data_full.json: unexpected end"},
		{"\xff", "is not UTF-8"},
	} {
		dir := packed(t, "clinc150", map[string]string{"data_full.json": c.text})
		if _, err := measured(dir, "clinc150"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %s", c.text, err, c.want)
		}
	}
}
