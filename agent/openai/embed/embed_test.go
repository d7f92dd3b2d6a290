package embed_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"nearside/agent/openai/embed"
	"nearside/agent/openai/fault"
)

func TestDecode(t *testing.T) {
	good := func(body string) {
		t.Helper()
		r, err := embed.Decode([]byte(body))
		if err != nil || r.Service != "embed" || r.Read == nil {
			t.Errorf("%s: got %+v, %v", body, r, err)
		}
	}
	bad := func(body, param string) {
		t.Helper()
		_, err := embed.Decode([]byte(body))
		var e *fault.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != param {
			t.Errorf("%.80s: got %v, want a 400 about %q", body, err, param)
		}
	}
	good(`{"input":"a"}`)
	good(`{"input":["a","b"],"model":"auto","encoding_format":"base64","dimensions":3,"user":"u","task":"query"}`)
	good(`{"input":[1,2,3]}`)
	good(`{"input":[[1],[2,3]],"dimensions":null}`)
	bad(`[]`, "")
	bad(`{"input":`, "")
	bad(`{}`, "input")
	bad(`{"input":""}`, "input")
	bad(`{"input":null}`, "input")
	bad(`{"input":[]}`, "input")
	bad(`{"input":["a",""]}`, "input")
	bad(`{"input":["a",1]}`, "input")
	bad(`{"input":[1,"a"]}`, "input")
	bad(`{"input":[[]]}`, "input")
	bad(`{"input":[[1],[-1]]}`, "input")
	bad(`{"input":[1.5]}`, "input")
	bad(`{"input":[null]}`, "input")
	bad(`{"input":{"text":"a"}}`, "input")
	bad(`{"input":["`+strings.Repeat(`a","`, 2048)+`a"]}`, "input")
	bad(`{"input":"a","dimensions":0}`, "dimensions")
	bad(`{"input":"a","dimensions":"3"}`, "dimensions")
	bad(`{"input":"a","encoding_format":"hex"}`, "encoding_format")
	bad(`{"input":"a","user":1}`, "user")
	bad(`{"input":"a","model":1}`, "model")
}

// TestDecodeBoundsLists: what a short number costs in memory is many times what
// it costs on the wire.
func TestDecodeBoundsLists(t *testing.T) {
	million := "[" + strings.Repeat("1,", 999_999) + "1]"
	for _, input := range []string{million, "[" + strings.Repeat("[1],", 999_999) + "[1]]"} {
		_, err := embed.Decode([]byte(`{"input":` + input + `}`))
		var e *fault.Error
		if !errors.As(err, &e) || e.Status != 413 || e.Param != "input" {
			t.Errorf("%.20s: got %v, want a 413", input, err)
		}
	}
	body := []byte(`{"input":[` + million + `]}`)
	if n := testing.AllocsPerRun(1, func() { _, _ = embed.Decode(body) }); n > 100 {
		t.Errorf("%v allocations for one list of tokens", n)
	}
}

// TestRead looks at what a caller gets for what a target said. 0.5 and -1 are
// 0000003f and 000080bf, little endian.
func TestRead(t *testing.T) {
	const packed = `"AAAAPwAAgL8="`
	one := func(v string) string { return `{"data":[{"index":0,"embedding":` + v + `}],"model":"m"}` }
	for _, c := range []struct{ name, request, reply, want string }{
		{"floats", `{"input":"a"}`, one(`[0.5,-1]`), `[0.5,-1]`},
		{"every digit", `{"input":"a"}`, one(`[0.12345678901234567]`), `[0.12345678901234567]`},
		{"base64", `{"input":"a","encoding_format":"base64"}`, one(packed), packed},
		{"base64 of floats", `{"input":"a","encoding_format":"base64"}`, one(`[0.5,-1.0]`), packed},
		{"floats of base64", `{"input":"a"}`, one(packed), `[0.5,-1]`},
		{"without an index", `{"input":"a"}`, `{"data":[{"embedding":[1]}]}`, `[1]`},
		{"out of order", `{"input":["a","b"]}`, `{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}`, `[1]`},
		{"the length asked for", `{"input":"a","dimensions":2}`, one(`[1,2]`), `[1,2]`},
		{"another length", `{"input":"a","dimensions":3}`, one(`[1,2]`), ""},
		{"one too few", `{"input":["a","b"]}`, one(`[1]`), ""},
		{"one too many", `{"input":"a"}`, `{"data":[{"embedding":[1]},{"embedding":[1]}]}`, ""},
		{"one twice", `{"input":["a","b"]}`, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, ""},
		{"index out of range", `{"input":"a"}`, `{"data":[{"index":7,"embedding":[1]}]}`, ""},
		{"lengths that differ", `{"input":["a","b"]}`, `{"data":[{"embedding":[1,2]},{"embedding":[1]}]}`, ""},
		{"empty", `{"input":"a"}`, one(`[]`), ""},
		{"null", `{"input":"a"}`, one(`null`), ""},
		{"a null in it", `{"input":"a"}`, one(`[1,null]`), ""},
		{"no number", `{"input":"a"}`, one(`["a"]`), ""},
		{"too large a number", `{"input":"a"}`, one(`[1e99]`), ""},
		{"not a number, packed", `{"input":"a"}`, one(`"AADAfw=="`), ""},
		{"odd base64", `{"input":"a"}`, one(`"AAA="`), ""},
		{"broken base64", `{"input":"a"}`, one(`"*"`), ""},
		{"cut", `{"input":"a"}`, `{"data":[{"embedding":[1`, ""},
		{"an error with 200", `{"input":"a"}`, `{"error":{"message":"no"}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := embed.Decode([]byte(c.request))
			if err != nil {
				t.Fatal(err)
			}
			answer, body, err := r.Read([]byte(c.reply))
			if c.want == "" {
				if !errors.Is(err, fault.ErrBroken) {
					t.Fatalf("got %s, %v, want it broken", body, err)
				}
				return
			}
			var got struct {
				Object string
				Data   []struct {
					Object    string
					Index     int
					Embedding json.RawMessage
				}
			}
			if err != nil || answer == nil || json.Unmarshal(body, &got) != nil {
				t.Fatalf("got %s, %v", body, err)
			}
			first := got.Data[0]
			if string(first.Embedding) != c.want || got.Object != "list" || first.Object != "embedding" || first.Index != 0 {
				t.Errorf("got %s, want %s first", body, c.want)
			}
		})
	}
}

// TestRoom: replies in odd shapes may not cost many times their size in memory.
func TestRoom(t *testing.T) {
	const n, least = 1 << 16, 1 << 16
	many := func(head, one, tail string) string { return head + strings.Repeat(one, n/len(one)) + tail }
	for name, reply := range map[string]string{
		"short numbers": many(`{"data":[{"embedding":[`, `0,`, `0]}]}`), "long numbers": many(`{"data":[{"embedding":[`, `0.1234567890123456789e-1,`, `0]}]}`),
		"entries": many(`{"data":[`, `{},`, `{"embedding":[1]}]}`), "one entry often": many(`{"data":[]`, `,"data":[{"embedding":[1]}]`, `}`),
		"embeddings": many(`{"data":[{"embedding":[1]`, `,"embedding":[1]`, `}]}`), "packed": many(`{"data":[{"embedding":"`, `AAAAPwAAgL8A`, `"}]}`),
		"escaped": many(`{"data":[{"embedding":"`, `AAAAPwAAgL8A\n`, `"}]}`), "fields": many(`{"data":[{"embedding":[1]`, `,"x":0`, `}]}`), "lists": many(`{"data":[{"embedding":[`, `[],`, `0]}]}`),
	} {
		for _, form := range []string{"float", "base64"} {
			r, err := embed.Decode([]byte(`{"input":"a","encoding_format":"` + form + `"}`))
			if err != nil {
				t.Fatal(err)
			}
			body := []byte(reply)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, out, _ := r.Read(body)
			runtime.ReadMemStats(&after)
			if took := int(after.TotalAlloc - before.TotalAlloc); took > least+6*(len(body)+len(out)) {
				t.Errorf("%s as %s: %d bytes take %d", name, form, len(body), took)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	r, _ := embed.Decode([]byte(`{"input":"a"}`))
	answer, body, err := r.Read([]byte(`{"data":[{"embedding":[1]}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}`))
	if err != nil || answer.Model != "m" || answer.Usage.In != 5 || !strings.Contains(string(body), `"usage":{"prompt_tokens":5,"total_tokens":5}`) {
		t.Errorf("got %s, %v", body, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"input":["a","b"],"dimensions":3}`), []byte(`{"data":[{"index":0,"embedding":[1,2]}]}`))
	f.Add([]byte(`{"input":[[1],[2]],"encoding_format":"base64"}`), []byte(`{"data":[{"embedding":"AAAAPw=="},{"embedding":[1]}]}`))
	f.Fuzz(func(t *testing.T, request, reply []byte) {
		r, err := embed.Decode(request)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Status/100 != 4 {
				t.Fatalf("got %v", err)
			}
			return
		}
		_, body, err := r.Read(reply)
		if err != nil {
			return
		}
		if _, again, err := r.Read(body); err != nil || string(again) != string(body) {
			t.Fatalf("%s is read as %s, %v", body, again, err)
		}
	})
}
