package kept_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
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

// plainKey is Key as it was first written. What installed daemons keep is found by
// it.
func plainKey(r *openai.Request, c *kept.Circle) string {
	unkeyed := []string{"model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
	h := sha256.New()
	add := func(text string) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
		io.WriteString(h, text)
	}
	for _, part := range []string{c.Salt, c.Service, c.Mode, c.Target} {
		add(part)
	}
	for _, name := range r.Names() {
		if slices.Contains(unkeyed, name) {
			continue
		}
		add(name)
		value, from, quoted := r.Field(name), 0, false
		for i := 0; i < len(value); i++ {
			switch c := value[i]; {
			case c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case !quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
				h.Write(value[from:i])
				from = i + 1
			}
		}
		h.Write(value[from:])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// TestKeyStays: the key is what it was first, wherever a piece of a long ask ends,
// and with more fields than most have.
func TestKeyStays(t *testing.T) {
	same := func(body string, c kept.Circle) {
		t.Helper()
		r := request(t, body)
		if got, want := kept.Key(r, &c), plainKey(r, &c); got != want {
			t.Fatalf("%.200s...: got %s, want %s", body, got, want)
		}
	}
	pieces := []string{`\\`, `\"`, `\n`, ` `, `  `, `a`, `é`, `\u00e9`, `word `}
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		n := 3 * i
		text := strings.Repeat("x", chance.IntN(2)*n)
		for range chance.IntN(2*n/3 + 1) {
			text += pieces[chance.IntN(len(pieces))]
		}
		space := strings.Repeat(" \n\t\r", chance.IntN(300))
		body := `{"messages":` + space + `[{"role": "user",` + space + `"content":"` + text + `"}` + space + `],"stop" : ["\\", "b"]` + space + `}`
		same(body, kept.Circle{Salt: strings.Repeat("s", chance.IntN(2100)), Service: "chat", Mode: "auto", Target: "cloud/first"})
	}
	fields := ""
	for i := range 60 {
		fields += `,"field_` + strconv.Itoa(59-i) + `": {"a" : ` + strconv.Itoa(i) + `}`
	}
	same(`{"model":"auto","messages":[{"role":"user","content":"Hi."}]`+fields+`}`, kept.Circle{})
}

// TestEncode: the line before the body is JSON, whatever the names are.
func TestEncode(t *testing.T) {
	for _, name := range []string{"", "cloud/first", "gpt \"4\"\n<é>\x7f\u2028", "\xff"} {
		e := kept.Entry{Target: "cloud/" + name, Model: name, Body: []byte(`{"a":"b\n"}`)}
		var head strings.Builder
		line := json.NewEncoder(&head)
		line.SetEscapeHTML(false)
		if err := line.Encode(&e); err != nil {
			t.Fatal(err)
		}
		if got, want := string(e.Encode()), head.String()+string(e.Body); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", name, got, want)
		}
	}
}

// TestKeyOfManyFields: as many fields as are taken cost no more than so many
// bytes do. Looking each up among all took ten seconds.
func TestKeyOfManyFields(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"messages":[{"role":"user","content":"?"}]`)
	for i := range 99_000 {
		body.WriteString(`,"f` + strconv.Itoa(i) + `":0`)
	}
	r := request(t, body.String()+"}")
	before := busy(t)
	kept.Key(r, &kept.Circle{})
	if took := busy(t) - before; took > 3*time.Second {
		t.Errorf("a core was busy for %v", took)
	}
}

// busy is what the process has had of the cores so far: what else the machine does
// is not in it.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkKey(b *testing.B) {
	for _, words := range []int{20, 2000} {
		b.Run(strconv.Itoa(words), func(b *testing.B) {
			r := request(b, `{"model":"cloud","temperature":0,"stream":false,"messages":[{"role":"user","content":"`+strings.Repeat("word ", words)+`"}]}`)
			c := kept.Circle{Salt: strings.Repeat("0123456789abcdef", 4), Service: "chat", Mode: "cloud"}
			b.ReportAllocs()
			for b.Loop() {
				kept.Key(r, &c)
			}
		})
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
		if got, want := kept.Key(again, &circle), plainKey(again, &circle); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	})
}
