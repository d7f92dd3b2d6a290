package gate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"nearside/policy/gate"
)

func TestFileKeepsTheGate(t *testing.T) {
	g, r := trained(t)
	file := encoded(t, g)
	back, err := gate.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range kitchen() {
		if got, want := back.Classify(e.Text), g.Classify(e.Text); got != want {
			t.Errorf("%q: %+v, before it was written %+v", e.Text, got, want)
		}
	}
	if back.About() != g.About() || back.About().Accuracy != r.Accuracy || back.Bytes() != g.Bytes() {
		t.Errorf("about %+v and %d bytes, before %+v and %d", back.About(), back.Bytes(), g.About(), g.Bytes())
	}
	if !bytes.Equal(encoded(t, back), file) {
		t.Error("written again it is another file")
	}
}

func TestReadRefuses(t *testing.T) {
	g, _ := trained(t)
	file := encoded(t, g)
	changed := func(at int, with ...byte) []byte {
		out := bytes.Clone(file)
		copy(out[at:], with)
		return out
	}
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"nothing", "not a gate file", nil},
		{"text", "not a gate file", []byte("text: of another kind, long enough to be one")},
		{"only the magic", "is cut", file[:6]},
		{"cut in the frame", "is cut", file[:40]},
		{"cut", "is cut: it has", file[:len(file)/2]},
		{"cut by one", "is cut: it has", file[:len(file)-1]},
		{"another version", "has version 9", changed(6, 0, 9)},
		{"altered", "was altered", changed(len(file)/2, file[len(file)/2]^1)},
		{"altered checksum", "was altered", changed(len(file)-1, file[len(file)-1]^1)},
		{"longer", "was altered", append(bytes.Clone(file), 0)},
		{"header without intents", "intents: there are 0", framed([]byte(`{}`), nil)},
		{"header that is no JSON", "header of the gate file is broken", framed([]byte(`{`), nil)},
		{"scale missing", "scale, bias", framed([]byte(`{"intents":["a","b"]}`), nil)},
		{"rows out of bounds", "rows: is 70000", framed([]byte(`{"intents":["a","b"],"scale":[1,1],"bias":[1,1],"rows":70000}`), nil)},
		{"scale out of bounds", "scale[1]: is 1e+06", framed([]byte(`{"intents":["a","b"],"scale":[1,1e6],"bias":[1,1],"rows":1}`), nil)},
		{"judge out of bounds", "judge: sign 0", framed([]byte(`{"intents":["a","b"],"scale":[1,1],"bias":[1,1],"rows":1}`), nil)},
	} {
		_, err := gate.Read(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// framed puts a header and tables into a frame with a checksum that fits.
func framed(head, tables []byte) []byte {
	data := append([]byte("NSGATE\x00\x01"), make([]byte, 12)...)
	binary.BigEndian.PutUint64(data[8:], uint64(20+len(head)+len(tables)+sha256.Size))
	binary.BigEndian.PutUint32(data[16:], uint32(len(head)))
	data = append(append(data, head...), tables...)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func FuzzRead(f *testing.F) {
	g, _ := trained(f)
	file := encoded(f, g)
	n := int(binary.BigEndian.Uint32(file[16:]))
	f.Add(file[20:20+n], file[20+n:len(file)-sha256.Size])
	f.Add([]byte(`{"intents":["a","b"],"scale":[1,1],"bias":[0,0],"rows":1}`), []byte{3, 0})
	f.Add([]byte(`{}`), []byte{})
	f.Fuzz(func(t *testing.T, head, tables []byte) {
		g, err := gate.Read(framed(head, tables))
		if err != nil {
			return
		}
		if v := g.Classify("turn on the light"); !(v.Confidence >= 0 && v.Confidence <= 1) {
			t.Errorf("%+v", v)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	g, _ := trained(b)
	file := encoded(b, g)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gate.Read(file); err != nil {
			b.Fatal(err)
		}
	}
}
