package schema_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"nearside/agent/schema"
)

const person = `{"type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer"}},
	"required":["name"],"additionalProperties":false}`

func TestCheck(t *testing.T) {
	f := func(text, doc, want string) {
		t.Helper()
		s, err := schema.Compile([]byte(text))
		if err != nil {
			t.Fatalf("%.100s: %v", text, err)
		}
		err = s.Check([]byte(doc))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.100s: %.100s: got %v, want %q", text, doc, err, want)
		}
	}
	f(person, `{"name":"Ada","age":36}`, "")
	f(person, `{"age":36}`, "name")
	f(person, `{"name":""}`, `at '/name'`)
	f(person, `{"name":"Ada","age":"old"}`, `at '/age'`)
	f(person, `{"name":"Ada","x":1}`, "x")
	f(person, `{"name":"Ada"`, "not valid JSON")
	f(person, `Sure! {"name":"Ada"}`, "not valid JSON")
	f(`{}`, `[1,2]`, "")
	f(`{"$ref":"#/$defs/a","$defs":{"a":{"type":"string","format":"date"}}}`, `"x"`, "")
	f(`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"type":"string"}},"$ref":"#/definitions/a"}`, `1`, "string")
	f(`{"type":"array","items":{"$ref":"#"},"maxItems":2}`, `[[],[[],[],[]]]`, `at '/1'`)
	f(`{"pattern":"^a+$"}`, `"aab"`, "pattern")
	f(`{"const":1e300}`, `1e300`, "")
	f(`{"multipleOf":0.5}`, `1.25`, "multiple")
}

func TestCompile(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := schema.Compile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v, want %q", text, err, want)
		}
	}
	f(`[]`, "must be an object")
	f(`true`, "must be an object")
	f(`{`, "not valid JSON")
	f(`{"type":"text"}`, `at '/type'`)
	f(`{"type":"string","minLength":-1}`, `at '/minLength'`)
	f(`{"pattern":"("}`, "pattern")
	f(`{"pattern":"(a{1000}){1000}"}`, "pattern")
	f(`{"pattern":"`+strings.Repeat("[a-z]{1000}", 30)+`"}`, "patterns are too large")
	f(`{"$ref":"#/$defs/absent"}`, "absent")
	f(`{"$ref":"http://example.invalid/s.json"}`, "nothing is fetched")
	f(`{"$ref":"file:///etc/passwd"}`, "nothing is fetched")
	f(`{"$ref":"other.json"}`, "nothing is fetched")
	f(`{"$schema":"http://example.invalid/meta"}`, "nothing is fetched")
	f(`{"minimum":1e999999999}`, "not valid JSON")
	f(`{"a":`+strings.Repeat(`[`, 100)+strings.Repeat(`]`, 100)+`}`, "nested deeper than 64")
	f(`{"description":"`+strings.Repeat("a", 64<<10)+`"}`, "at most 65536")
}

func TestLoosely(t *testing.T) {
	for _, pattern := range []string{`^(?!a).*$`, `(a)\\1`, `\\u0041`, `a{2000}`} {
		text := []byte(`{"type":"string","pattern":"` + pattern + `"}`)
		if _, err := schema.Compile(text); err == nil {
			t.Errorf("%s: compiled, though Go does not know it", pattern)
		}
		s, err := schema.CompileLoosely(text)
		if err != nil || s.Check([]byte(`"b"`)) != nil || s.Check([]byte(`1`)) == nil {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
	if _, err := schema.CompileLoosely([]byte(`{"pattern":"("}`)); err == nil {
		t.Error("a broken pattern was compiled")
	}
}

// TestCostly has 30 definitions, each twice the work of the next: 2^30 steps.
func TestCostly(t *testing.T) {
	chain := func(format, last string) string {
		var defs []string
		for i := range 30 {
			defs = append(defs, fmt.Sprintf(`"d%d":`+format, i, i+1, i+1))
		}
		return `{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `,"d30":` + last + `}}`
	}
	deep := strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30)
	for text, doc := range map[string]string{
		chain(`{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, `{}`):                                              `1`,
		chain(`{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, `{"type":"string"}`):                               `1`,
		chain(`{"not":{"allOf":[{"not":{"$ref":"#/$defs/d%d"}},{"not":{"$ref":"#/$defs/d%d"}}]}}`, `{"type":"string"}`):       `1`,
		chain(`{"oneOf":[{"properties":{"a":{"$ref":"#/$defs/d%d"}}},{"properties":{"a":{"$ref":"#/$defs/d%d"}}}]}`, `false`): deep,
	} {
		s, err := schema.Compile([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check([]byte(doc)); err == nil || !strings.Contains(err.Error(), "too many steps") {
			t.Errorf("%.90s: got %v", text, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	s, err := schema.Compile([]byte(person))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if s.Check([]byte(`{"name":"Ada"}`)) != nil || s.Check([]byte(`{}`)) == nil {
					t.Error("checks disturb each other")
				}
			}
		})
	}
	all.Wait()
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(person), []byte(`{"name":"Ada"}`))
	f.Add([]byte(`{"type":"array","items":{"$ref":"#"},"uniqueItems":true}`), []byte(`[[],[[]]]`))
	f.Add([]byte(`{"anyOf":[{"pattern":"^a{2,3}$"},{"multipleOf":0.1}],"if":{},"then":false,"$dynamicRef":"#"}`), []byte(`1e5`))
	f.Add([]byte(`{"$schema":"http://json-schema.org/draft-04/schema#","dependencies":{"a":["b"]},"$id":"x"}`), []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, text, doc []byte) {
		s, err := schema.CompileLoosely(text)
		if err != nil {
			return
		}
		again := s.Check(doc)
		if err := s.Check(doc); (err == nil) != (again == nil) {
			t.Fatalf("got %v, then %v", again, err)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := schema.Compile([]byte(person)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	s, err := schema.Compile([]byte(person))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.Check([]byte(`{"name":"Ada","age":36}`)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRoomIsBounded: no document takes many times its size in memory, however
// small the objects are that it is made of. Those in a text are none.
func TestRoomIsBounded(t *testing.T) {
	s, err := schema.Compile([]byte(`{"type":["array","string"]}`))
	if err != nil {
		t.Fatal(err)
	}
	const most = 100_000
	for one, fits := range map[string]bool{`{"":0}`: false, `{}`: false, `[{"":{"":{"":0}}}]`: false, `0`: true, `"a"`: true, `[]`: true} {
		doc := []byte("[" + strings.Repeat(one+",", most) + one + "]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := s.Check(doc)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 || (err == nil) != fits || !fits && !strings.Contains(err.Error(), "too many steps") {
			t.Errorf("%s: %d bytes take %d, %v", one, len(doc), took, err)
		}
	}
	if err := s.Check([]byte(`"` + strings.Repeat("{,[", most) + `"`)); err != nil {
		t.Errorf("a text: got %v", err)
	}
	if err := s.Check([]byte("[" + strings.Repeat(`{"id":1,"name":"a"},`, 30_000) + "{}]")); err != nil {
		t.Errorf("a long list: got %v", err)
	}
}

// TestFaultsAreBounded: a document that is wrong everywhere costs no more than
// one that is right, however little each fault takes to find.
func TestFaultsAreBounded(t *testing.T) {
	f := func(text, doc string, costly bool) {
		t.Helper()
		s, err := schema.Compile([]byte(text))
		if err != nil {
			t.Fatalf("%.100s: %v", text, err)
		}
		err = s.Check([]byte(doc))
		if err == nil || costly != strings.Contains(err.Error(), "too many steps") {
			t.Errorf("%.100s: got %v, costly is to be %v", text, err, costly)
		}
	}
	list := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	f(`{"items":{"type":"string"}}`, list(1000), false)
	f(`{"items":{"type":"string"}}`, list(500_000), true)
	f(`{"items":{"anyOf":[`+strings.Repeat(`{"type":"string"},`, 999)+`{"const":"a"}]}}`, list(100), true)
	f(`{"items":{"patternProperties":{"a":false,"b":false,"c":false}}}`, "["+strings.Repeat(`{"abc":1},`, 200_000)+"{}]", true)
	f(`{"items":{"contains":{"type":"string"}}}`, "["+strings.Repeat(list(100)+",", 5000)+"[]]", true)
}
