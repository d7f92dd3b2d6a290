package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/policy/calib"
)

// TestCalibrateMeasure measures the real model with two questions: one it
// knows, one whose answer nothing matches.
func TestCalibrateMeasure(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.write("questions.jsonl", `{"question":"What is the capital of France?","answer":"(?i)paris"}

{"question":"What is the square root of 1764?","answer":"^nobody says this$"}
`)
	table := filepath.Join(h.dir, "table.json")
	measure := h.command("calibrate", "measure", "--json", "--questions", filepath.Join(h.dir, "questions.jsonl"), "--out", table)
	var notes bytes.Buffer
	measure.Stderr = &notes
	out, err := measure.Output()
	if err != nil || !strings.Contains(notes.String(), "2 questions, 2 answers with a score") {
		t.Fatalf("%v: %s", err, &notes)
	}
	type end struct {
		Task string
		Good bool
	}
	var judged []end
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		var j end
		if err := json.Unmarshal(line, &j); err != nil {
			t.Fatal(err)
		}
		judged = append(judged, j)
	}
	if len(judged) != 2 || !judged[0].Good || judged[0].Task != "chat" || judged[1].Good || judged[1].Task != "math" {
		t.Errorf("judged %+v", judged)
	}
	show, err := h.command("calibrate", "show", "--json", table).Output()
	var docs []struct {
		Model   calib.Model
		Classes []struct {
			Labels int
			Prior  float64
		}
	}
	if err != nil || json.Unmarshal(show, &docs) != nil {
		t.Fatalf("%v: %s", err, show)
	}
	if d := docs[0]; d.Model.Name != "smollm2-135m" || d.Model.Quant != "Q4_1" || len(d.Model.SHA256) != 64 || d.Classes[0].Labels != 2 || d.Classes[0].Prior != 0.5 {
		t.Errorf("the table is %+v", d)
	}
}

// TestCalibrationFiles has the daemon meet a calibration that is cut and then a
// good one: it works without, says so, and uses the good one from a reload on.
func TestCalibrationFiles(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	made, err := calib.Fit(calib.Model{Name: "small", SHA256: sum}, []calib.Label{{Score: 0.2}, {Score: 0.5, Good: 1}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.Encode()
	if err != nil {
		t.Fatal(err)
	}
	h := unstarted(t, "local: {engine: {url: http://127.0.0.1:9/v1}, models: [{name: small, sha256: "+sum+"}]}")
	kept := filepath.Join("state", "calibration", sum[:16]+".json")
	if err := os.MkdirAll(filepath.Join(h.dir, filepath.Dir(kept)), 0o700); err != nil {
		t.Fatal(err)
	}
	h.write(kept, string(text[:len(text)/2]))
	h.start()
	stands := func(state string, bad bool) {
		t.Helper()
		until(t, "the calibration is "+state, patience, func() bool {
			all := h.status().Calibration.Targets
			_, told := h.finds("calibration", "local/small: the calibration that was imported is not used: ")
			return len(all) == 1 && all[0].State == state && told == bad
		})
	}
	stands("unmeasured", true)
	h.write(kept, string(text))
	h.reload()
	stands("measured", false)
	h.write(kept, strings.Replace(string(text), sum, strings.Repeat("cd", 32), 1))
	h.reload()
	stands("unmeasured", true)
}
