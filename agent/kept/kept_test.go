package kept_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"nearside/agent/kept"
	"nearside/agent/openai"
)

func request(t testing.TB, body string) *openai.Request {
	t.Helper()
	r, err := openai.Decode([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

// TestKey: what changes the answer changes the key, and nothing else does.
func TestKey(t *testing.T) {
	const plain = `{"model":"auto","messages":[{"role":"user","content":"a \" b"}],"temperature":0}`
	circle := kept.Circle{Salt: "s", Service: "chat", Mode: "auto"}
	want := kept.Key(request(t, plain), &circle)
	if before := "BMQVSr9yLhAGwav-vNV5Rg"; want != before {
		t.Errorf("the key is %s, was %s: what was kept before is lost", want, before)
	}
	for _, body := range []string{
		`{"temperature":0, "messages":[ {"role":"user" ,"content":"a \" b"} ],"model":"auto"}`,
		`{"model":"local","stream":true,"user":"me","messages":[{"role":"user","content":"a \" b"}],"temperature":0}`,
	} {
		if got := kept.Key(request(t, body), &circle); got != want {
			t.Errorf("%s: another key", body)
		}
	}
	for _, body := range []string{
		`{"model":"auto","messages":[{"role":"user","content":"a \"  b"}],"temperature":0}`,
		`{"model":"auto","messages":[{"role":"user","content":"a \" b"}],"temperature":0,"seed":1}`,
		`{"model":"auto","messages":[{"role":"user","content":"a \" b"}],"temperature":1}`,
	} {
		if got := kept.Key(request(t, body), &circle); got == want {
			t.Errorf("%s: the same key", body)
		}
	}
	for _, c := range []kept.Circle{
		{Salt: "t", Service: "chat", Mode: "auto"}, {Salt: "s", Service: "chat", Mode: "local"},
		{Salt: "s", Service: "chat", Mode: "auto", Target: "cloud/first"}, {Salt: "sc", Service: "hat", Mode: "auto"},
	} {
		if kept.Key(request(t, plain), &c) == want {
			t.Errorf("%+v: the same key", c)
		}
	}
}

// TestEncode: the line before the body is JSON, whatever the names are.
func TestEncode(t *testing.T) {
	for _, name := range []string{"", "cloud/first", "gpt \"4\"\n<é>\x7f\u2028", "\xff"} {
		e := kept.Entry{Target: "cloud/" + name, Model: name, Body: []byte(`{"a":"b\n"}`)}
		head, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(e.Encode()), string(head)+"\n"+string(e.Body); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", name, got, want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e := kept.Entry{Target: "cloud/first", Model: "fake-model", Body: bytes.Repeat([]byte("x"), 600)}
	b.ReportAllocs()
	for b.Loop() {
		e.Encode()
	}
}

// FuzzDecode: any bytes are no entry, or one that is encoded as it was meant.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"target":"cloud/first","model":"m"}` + "\n" + `{"choices":[]}`))
	f.Add([]byte(`{"target":1}` + "\n"))
	f.Add([]byte("null\n\n"))
	f.Fuzz(func(t *testing.T, value []byte) {
		e := kept.Decode(value, time.Unix(1, 0))
		if e == nil {
			return
		}
		again := kept.Decode(e.Encode(), e.At)
		if again == nil || again.Target != e.Target || again.Model != e.Model || !bytes.Equal(again.Body, e.Body) {
			t.Errorf("%q: read %+v, then %+v", value, e, again)
		}
	})
}

// FuzzKey: white space between the parts of a request does not change its key.
func FuzzKey(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":"a \" b\\"}],"stop":["\\", " "]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openai.Decode(body)
		if err != nil {
			return
		}
		var spaced bytes.Buffer
		if json.Indent(&spaced, body, " ", "\t") != nil {
			return
		}
		again, err := openai.Decode(spaced.Bytes())
		if err != nil {
			return // too large
		}
		circle := kept.Circle{Service: "chat"}
		if kept.Key(r, &circle) != kept.Key(again, &circle) {
			t.Errorf("%s has another key when indented", body)
		}
	})
}
