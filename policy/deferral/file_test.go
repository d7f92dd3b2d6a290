package deferral_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"nearside/policy/deferral"
)

func model(t testing.TB) *deferral.Model {
	t.Helper()
	return fit(t, labelled(rand.New(rand.NewPCG(21, 22)), 20))
}

func TestFileKeepsAll(t *testing.T) {
	m := model(t)
	got, err := deferral.Decode(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got.Labels() != m.Labels() {
		t.Errorf("%d labels, want %d", got.Labels(), m.Labels())
	}
	for form := range topics() {
		if a, b := got.Gain(form), m.Gain(form); math.Abs(a-b) > 1e-3 {
			t.Errorf("%s: %v, before %v", form, a, b)
		}
	}
	if again := got.Encode(); !bytes.Equal(again, m.Encode()) {
		t.Error("a model that was read is written otherwise")
	}
}

// TestSketch: labels that were kept as sketches teach the same as their texts.
func TestSketch(t *testing.T) {
	labels := labelled(rand.New(rand.NewPCG(23, 24)), 20)
	kept := append([]deferral.Label(nil), labels...)
	for i, l := range labels {
		kept[i].Text, kept[i].Sketch = "", deferral.SketchOf(l.Text)
	}
	if a, b := fit(t, labels).Gain(question), fit(t, kept).Gain(question); a != b {
		t.Errorf("texts say %v, sketches %v", a, b)
	}
	long := deferral.SketchOf(strings.Repeat("all words of this text are there over and over ", 100000) + varied(9000))
	if len(long) > deferral.MaxSketch {
		t.Errorf("the sketch of a long text has %d bytes", len(long))
	}
	if got := len(deferral.SketchOf(varied(9000))); got > deferral.MaxSketch {
		t.Errorf("the sketch of many words has %d bytes", got)
	}
}

// varied is a text of n different short words.
func varied(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(string([]rune{rune(0x4e00 + i), ' '}))
	}
	return b.String()
}

// resealed is the model's file with other bytes at a place, and the right sum.
func resealed(t *testing.T, at int, with []byte) []byte {
	t.Helper()
	text := model(t).Encode()
	body := text[:len(text)-sha256.Size]
	copy(body[at:], with)
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func TestDecodeRefuses(t *testing.T) {
	whole := model(t).Encode()
	const mark = len("nearside-deferral\n")
	altered := bytes.Clone(whole)
	altered[5000]++
	nan := binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN()))
	for _, c := range []struct {
		text []byte
		want string
	}{
		{nil, "no model for deferral"},
		{[]byte("{}"), "no model for deferral"},
		{whole[:mark+2], "cut after its mark"},
		{whole[:len(whole)-1], "it is cut or longer"},
		{append(bytes.Clone(whole), 0), "it is cut or longer"},
		{altered, "it was altered"},
		{resealed(t, mark, []byte{2}), "version is 2: this program reads 1"},
		{resealed(t, mark+4, []byte{0xff, 0xff}), "labels is 65535"},
		{resealed(t, mark+8, nan), "intercept is NaN"},
		{resealed(t, mark+16, []byte{0, 0, 0xc0, 0x7f}), "scale is NaN"},
		{resealed(t, mark+20, []byte{0xff, 0xff}), "bucket 0 is in 65535 labels"},
	} {
		if _, err := deferral.Decode(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// FuzzSketch: any bytes are refused as a sketch or can be learned from.
func FuzzSketch(f *testing.F) {
	f.Add([]byte(deferral.SketchOf(question)))
	f.Add([]byte{})
	f.Add(make([]byte, 25))
	labels := labelled(rand.New(rand.NewPCG(25, 26)), 10)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := deferral.Fit(append([]deferral.Label{{Sketch: text, Gain: 1}}, labels...))
		if err != nil {
			return
		}
		if g := m.Gain(question); !(g >= -1 && g <= 1) {
			t.Errorf("gain %v", g)
		}
	})
}

// FuzzDecode: any file, its sum mended, is refused or foretells.
func FuzzDecode(f *testing.F) {
	whole := model(f).Encode()
	f.Add(20, []byte{1, 2, 3})
	f.Add(len(whole)-40, []byte{0xff})
	f.Fuzz(func(t *testing.T, at int, with []byte) {
		text := bytes.Clone(whole)
		body := text[:len(text)-sha256.Size]
		if at >= 0 && at < len(body) {
			copy(body[at:], with)
		}
		sum := sha256.Sum256(body)
		m, err := deferral.Decode(append(body, sum[:]...))
		if err != nil {
			return
		}
		if g := m.Gain(question); !(g >= -1 && g <= 1) {
			t.Errorf("gain %v", g)
		}
	})
}
