package calib_test

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"nearside/policy/calib"
)

// sample is a table of two classes, more labels than bins and unequal weights.
func sample(t testing.TB) *calib.Table {
	t.Helper()
	r := rand.New(rand.NewPCG(20, 21))
	labels := append(drawn(r, 700, "chat"), drawn(r, 30, "math")...)
	for i := range labels {
		labels[i].Weight = 1 + 50*float64(i%2)
		labels[i].Gain = 1 - labels[i].Good
	}
	return fit(t, labels)
}

func encode(t testing.TB, table *calib.Table) []byte {
	t.Helper()
	text, err := table.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFileKeepsAll(t *testing.T) {
	want := sample(t)
	got, err := calib.Decode(encode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if got.Model() != want.Model() {
		t.Errorf("model %v, want %v", got.Model(), want.Model())
	}
	for _, task := range []string{"", "chat", "math"} {
		for s := 0.0; s <= 1; s += 0.01 {
			a, n := got.Good(task, s)
			b, m := want.Good(task, s)
			x, _ := got.Gain(task, s)
			y, _ := want.Gain(task, s)
			if a != b || n != m || x != y || got.Bound(s) != want.Bound(s) {
				t.Fatalf("%s at %v: %v of %d and %v, want %v of %d and %v", task, s, a, n, x, b, m, y)
			}
		}
		a, ok := got.Threshold(task, 0.3)
		if b, was := want.Threshold(task, 0.3); a != b || ok != was {
			t.Errorf("%s: threshold %v %v, want %v %v", task, a, ok, b, was)
		}
	}
}

// unsealed replaces something in the file of a table and mends its sum.
func unsealed(t testing.TB, old, now string) []byte {
	t.Helper()
	text := encode(t, sample(t))
	changed := regexp.MustCompile(old).ReplaceAll(text, []byte(now))
	if bytes.Equal(text, changed) {
		t.Fatalf("%s is not in the file", old)
	}
	return calib.Reseal(changed)
}

func TestDecodeRefuses(t *testing.T) {
	whole := encode(t, sample(t))
	for _, c := range []struct {
		text []byte
		want string
	}{
		{nil, "cut or no calibration"},
		{[]byte("[]"), "cut or no calibration"},
		{whole[:len(whole)/2], "cut or no calibration"},
		{append(bytes.Clone(whole), "{}"...), "there is more after the end"},
		{bytes.Repeat([]byte(" "), calib.MaxFile+1), "bytes: at most"},
		{bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2`), 1), "version is 2: this program reads 1"},
		{bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2,"curves":[]`), 1), "version is 2: this program reads 1"},
		{bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":1,"curves":[]`), 1), `unknown field "curves"`},
		{unsealed(t, `"name":"m"`, `"name":"\u001b[2J"`), `table.model.name is "\x1b[2J": it must be without control characters`},
		{unsealed(t, `"tasks":\{`, `"tasks":{"a\u0007":[],`), `table.tasks has the name "a\a"`},
		{bytes.Replace(whole, []byte("nearside-calibration"), []byte("other"), 1), `format is "other"`},
		{bytes.Replace(whole, []byte(`"labels":3`), []byte(`"labels":4`), 1), "the file was altered"},
		{unsealed(t, `"model":`, `"extra":1,"model":`), `unknown field "extra"`},
		{unsealed(t, `"sha256":"(abab)+"`, `"sha256":""`), "table.model.sha256 is missing"},
		{unsealed(t, `"name":"m"`, `"name":"`+strings.Repeat("m", 200)+`"`), "table.model.name has 200 bytes"},
		{unsealed(t, `"pooled":(?s:.*?)\]`, `"pooled":[]`), "table.pooled has 0 bins"},
		{unsealed(t, `"pooled":\[`, `"pooled":[{"low":9,"score":9,"labels":1,"weight":1,"squares":1,"good":1,"judged":0,"gain":0},`), "table.pooled: the scores of bins must rise"},
		{unsealed(t, `"math":\[\{"low":[^,]*,`, `"math":[{"low":0.9,`), "table.tasks.math[0].low is 0.9: it must be"},
		{unsealed(t, `"labels":1,"weight":51,`, `"labels":0,"weight":51,`), ".labels is 0: it must be 1 to"},
		{unsealed(t, `"weight":51,"squares":2601,`, `"weight":-51,"squares":2601,`), ".weight is -51: it must be"},
		{unsealed(t, `"squares":2601,`, `"squares":1,`), ".squares is 1: it must be 2601 to 2601"},
		{unsealed(t, `"squares":2601,"good":\d+`, `"squares":2601,"good":52`), ".good is 52: it must be 0 to 51"},
		{unsealed(t, `"judged":51,"gain":-?\d+`, `"judged":51,"gain":-52`), ".gain is -52: it must be -51 to 51"},
		{unsealed(t, `"tasks":\{`, `"tasks":{"":[],`), "table.tasks has a name of 0 bytes"},
	} {
		if _, err := calib.Decode(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// FuzzDecode: nothing breaks the reader, also with the right sum, and what it
// takes gives chances and is written as it was.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, fit(f, []calib.Label{{Score: 0.2}, {Score: 0.7, Good: 1, Task: "chat", Weight: 3}})))
	f.Add([]byte(`{"format":"nearside-calibration","version":1,"sha256":"","table":{"model":{"sha256":"x"},"pooled":[{"labels":1,"weight":1e-9,"squares":1e-18}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := calib.Decode(calib.Reseal(text))
		if err != nil {
			return
		}
		for _, s := range []float64{-1e300, 0, 0.5, 1e300} {
			p, _ := table.Good("chat", s)
			gain, _ := table.Gain("chat", s)
			if b := table.Bound(s); !(p >= -1e-6 && p <= 1+1e-6) || !(gain >= -1-1e-6 && gain <= 1+1e-6) || !(b >= 0 && b <= 1) {
				t.Errorf("at %v: P(good) %v, gain %v, bound %v", s, p, gain, b)
			}
		}
		table.Threshold("chat", 0.2)
		if _, err := calib.Decode(encode(t, table)); err != nil {
			t.Errorf("a table that was read cannot be read again: %v", err)
		}
	})
}
