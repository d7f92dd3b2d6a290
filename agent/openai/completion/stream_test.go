package completion_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// piece is a chunk as a good server sends it; finish is null or a quoted word.
func piece(delta, finish, more string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]%s}`, delta, finish, more)
}

// sse frames chunks as events, with [DONE] at the end.
func sse(chunks ...string) string {
	return "data: " + strings.Join(append(chunks, "[DONE]"), "\n\ndata: ") + "\n\n"
}

var (
	hel   = piece(`{"role":"assistant","content":"Hel"}`, "null", "")
	lo    = piece(`{"content":"lo"}`, "null", "")
	end   = piece(`{}`, `"stop"`, "")
	usage = `{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"more":{"cached":1}}}`
)

// open is the stream of a server that sends text. Nothing but drain, or the
// end of the test, needs to close it.
func open(t testing.TB, text string, shape completion.Shape) *completion.Stream {
	t.Helper()
	return completion.Open(t.Context(), io.NopCloser(strings.NewReader(text)), nil, shape)
}

// drain reads a stream to its end, which must stay, and closes it.
func drain(t testing.TB, s *completion.Stream) ([]string, error) {
	t.Helper()
	defer s.Close()
	var got []string
	for {
		chunk, err := s.Next()
		if err != nil {
			if again, err2 := s.Next(); again != nil || err2 != err {
				t.Fatalf("after %v came %q, %v", err, again, err2)
			}
			if s.Ended() != (err == io.EOF) || s.Ended() != (s.Fault() == nil) {
				t.Fatalf("ended %v, fault %v after %v", s.Ended(), s.Fault(), err)
			}
			return got, err
		}
		got = append(got, string(chunk))
	}
}

// checkShape holds chunks against what strict clients rely on.
func checkShape(t *testing.T, chunks []string, usage bool) {
	t.Helper()
	finals, usages := 0, 0
	for i, chunk := range chunks {
		var c struct {
			ID, Object, Model string
			Created           int
			Choices           []map[string]json.RawMessage
			Usage             *json.RawMessage
		}
		if err := json.Unmarshal([]byte(chunk), &c); err != nil || strings.ContainsAny(chunk, "\r\n") || !utf8.ValidString(chunk) {
			t.Fatalf("chunk %d %q: %v", i, chunk, err)
		}
		if c.ID == "" || c.Object != "chat.completion.chunk" || c.Created == 0 || !strings.Contains(chunk, `"model":`) {
			t.Errorf("chunk %d is not named: %s", i, chunk)
		}
		if has := strings.Contains(chunk, `"usage":`); has != usage {
			t.Errorf("chunk %d: usage there is %v, want %v: %s", i, has, usage, chunk)
		}
		if c.Usage != nil {
			if usages++; len(c.Choices) > 0 || i != len(chunks)-1 {
				t.Errorf("usage is not in a chunk of its own at the end: %s", chunk)
			}
		}
		for _, choice := range c.Choices {
			if delta := string(choice["delta"]); string(choice["index"]) != "0" || !strings.HasPrefix(delta, "{") {
				t.Errorf("chunk %d: index %s, delta %s", i, choice["index"], delta)
			}
			if finish := string(choice["finish_reason"]); len(finish) > 2 && finish != "null" {
				finals++
			} else if finish != "null" {
				t.Errorf("chunk %d: finish_reason is %q, want null", i, finish)
			} else if finals > 0 {
				t.Errorf("chunk %d comes after the final one", i)
			}
		}
	}
	if finals != 1 || usages > 1 {
		t.Errorf("%d final chunks, %d with usage", finals, usages)
	}
}

func TestStreamShapes(t *testing.T) {
	late := `,"usage":{"prompt_tokens":3,"completion_tokens":2}`
	tests := []struct {
		name, body, text, finish string
		chunks                   int  // without usage
		usage                    bool // the server counts tokens
	}{
		{"right already", sse(hel, lo, end, usage), "Hello", "stop", 3, true},
		{"no [DONE]", strings.TrimSuffix(sse(hel, lo, end), "data: [DONE]\n\n"), "Hello", "stop", 3, false},
		{"[DONE] not closed", strings.TrimSpace(sse(hel, end)), "Hel", "stop", 2, false},
		{"[DONE] without finish", sse(hel, lo), "Hello", "stop", 3, false},
		{"calls without finish", sse(piece(`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}`, "null", "")), "", "tool_calls", 2, false},
		{"finish absent", sse(strings.ReplaceAll(hel, `,"finish_reason":null`, ""), end), "Hel", "stop", 2, false},
		{"finish empty", sse(piece(`{"content":"a"}`, `""`, ""), end, piece(`{}`, `""`, "")), "a", "stop", 2, false},
		{"two finals", sse(hel, end, piece(`{"content":"more"}`, `"length"`, "")), "Helmore", "length", 3, false},
		{"finish on every chunk", sse(piece(`{"content":"Hel"}`, `"stop"`, ""), piece(`{"content":"lo"}`, `"stop"`, "")), "Hello", "stop", 3, false},
		{"finish with the last text", sse(hel, piece(`{"content":"lo"}`, `"stop"`, "")), "Hello", "stop", 3, false},
		{"finish is a number", sse(hel, piece(`{}`, `1`, "")), "Hel", "stop", 2, false},
		{"calls that stop", sse(toolCall(`"index":0,"id":"a","function":{"name":"f","arguments":"{}"}`), end), "", "tool_calls", 2, false},
		{"a broken chunk after the end", sse(hel, end, `{"id":`), "Hel", "stop", 2, false},
		{"an error after the end", sse(hel, end, `{"error":"late"}`), "Hel", "stop", 2, false},
		{"created of odd shapes", sse(strings.ReplaceAll(hel, `:7,`, `:1.5e3,`), strings.ReplaceAll(lo, `:7,`, `:"7",`), strings.ReplaceAll(end, `:7,`, `:1e99,`)), "Hello", "stop", 3, false},
		{"id and model of odd shapes", sse(strings.NewReplacer(`"c1"`, `7`, `"m"`, `null`).Replace(hel), end), "Hel", "stop", 2, false},
		{"index of odd shapes", sse(strings.ReplaceAll(hel, `"index":0`, `"index":"0"`), strings.ReplaceAll(end, `"index":0`, `"index":0.0`)), "Hel", "stop", 2, false},
		{"logprobs of odd shapes", sse(strings.ReplaceAll(hel, `"delta"`, `"logprobs":[],"delta"`), strings.ReplaceAll(end, `"delta"`, `"logprobs":{"content":5},"delta"`)), "Hel", "stop", 2, false},
		{"usage of odd shapes", sse(hel, end, strings.ReplaceAll(usage, `:3,`, `:3.5,`)), "Hel", "stop", 2, true},
		{"usage is a word", sse(hel, piece(`{}`, `"stop"`, `,"usage":"none"`)), "Hel", "stop", 2, false},
		{"content in parts", sse(piece(`{"content":[{"type":"text","text":"He"},{"type":"text","text":"l"}]}`, "null", ""), end), "Hel", "stop", 2, false},
		{"nothing but choices", sse(`{"choices":[{"delta":{"content":"Hel"}}]}`, `{"choices":[{"delta":null,"finish_reason":"stop"}]}`), "Hel", "stop", 2, false},
		{"delta named message", sse(strings.ReplaceAll(hel, `"delta"`, `"message"`), end), "Hel", "stop", 2, false},
		{"a choice from one", sse(strings.ReplaceAll(hel, `"index":0`, `"index":1`), strings.ReplaceAll(end, `"index":0`, `"index":1`)), "Hel", "stop", 2, false},
		{"a choice nobody asked for", sse(hel, strings.ReplaceAll(hel, `"index":0`, `"index":1`), end), "Hel", "stop", 2, false},
		{"not UTF-8", sse(strings.ReplaceAll(hel, "Hel", "H\xffl"), end), "H\uFFFDl", "stop", 2, false},
		{"byte order mark", "\uFEFF" + sse(hel, end), "Hel", "stop", 2, false},
		{"blanks after [DONE]", strings.ReplaceAll(sse(hel, lo), "[DONE]", "[DONE] "), "Hello", "stop", 3, false},
		{"usage on the final chunk", sse(hel, piece(`{}`, `"length"`, late)), "Hel", "length", 2, true},
		{"usage on every chunk", sse(piece(`{"content":"a"}`, "null", late), piece(`{}`, `"stop"`, late)), "a", "stop", 2, true},
		{"usage before the final chunk", sse(piece(`{"content":"a"}`, "null", late), end), "a", "stop", 2, true},
		{"usage null and last", sse(piece(`{"content":",\"usage\":null}"}`, "null", `,"usage":null`), piece(`{}`, `"stop"`, `,"usage":null`), usage), `,"usage":null}`, "stop", 2, true},
		{"usage null and before", sse(piece(`{"content":"a"}`, "null", `,"usage":{"prompt_tokens":3},"x":1,"usage":null`), piece(`{}`, `"stop"`, ""), usage), "a", "stop", 2, true},
		{"usage null among timings", sse(piece(`{"content":"a"}`, "null", `,"timings":{"usage":null},"usage":null`), end, usage), "a", "stop", 2, true},
		{"usage null", sse(piece(`{"content":"a"}`, "null", `,"usage":null`), piece(`{}`, `"stop"`, `,"usage": null`), usage), "a", "stop", 2, true},
		{"usage twice", sse(hel, end, usage, usage), "Hel", "stop", 2, true},
		{"events of many lines", strings.ReplaceAll(sse(hel, end), `,"choices"`, ",\ndata: \"choices\""), "Hel", "stop", 2, false},
		{"a bare CR", sse(strings.ReplaceAll(hel, `,"choices"`, ",\r\"choices\""), end), "Hel", "stop", 2, false},
		{"CRLF and comments", ": wait\r\n\r\n" + strings.ReplaceAll(sse(hel, end), "\n", "\r\n"), "Hel", "stop", 2, false},
		{"no choices at first", sse(`{"id":"","choices":[],"prompt_filter_results":[]}`, hel, end), "Hel", "stop", 2, false},
		{"null error", sse(piece(`{"content":"a"}`, "null", `,"error":null`), end), "a", "stop", 2, false},
		{"refusal", sse(piece(`{"refusal":"no"}`, "null", ""), end), "", "stop", 2, false},
	}
	for _, tt := range tests {
		for _, shape := range []completion.Shape{{}, {Usage: true}, {Strip: true}, {Usage: true, Strip: true}} {
			t.Run(fmt.Sprintf("%s %+v", tt.name, shape), func(t *testing.T) {
				s := open(t, tt.body, shape)
				got, err := drain(t, s)
				want := tt.chunks
				if shape.Usage && tt.usage {
					want++
				}
				if err != io.EOF || len(got) != want {
					t.Errorf("got %d chunks and %v, want %d and EOF: %s", len(got), err, want, got)
				}
				if s.Answer.Text() != tt.text || s.Answer.Finish != tt.finish || (s.Answer.Usage != nil) != tt.usage {
					t.Errorf("answer %q, %q, usage %v", s.Answer.Text(), s.Answer.Finish, s.Answer.Usage)
				}
				checkShape(t, got, shape.Usage)
			})
		}
	}
}

func TestStreamKeepsWhatIsRight(t *testing.T) {
	odd := piece(`{"content":"a","exotic":{"n":1.10}}`, "null", `,"system_fingerprint":"<fp>"`)
	got, err := drain(t, open(t, sse(odd, end), completion.Shape{}))
	if err != io.EOF || len(got) != 2 || got[0] != odd || got[1] != end {
		t.Errorf("got %s, %v", got, err)
	}
	counted := func(chunk string) string { return strings.TrimSuffix(chunk, "}") + `,"usage":null}` }
	got, err = drain(t, open(t, sse(counted(odd), counted(end)), completion.Shape{}))
	if err != io.EOF || len(got) != 2 || got[0] != odd || got[1] != end {
		t.Errorf("with usage null: got %s, %v", got, err)
	}
	probs := strings.Replace(odd, `"delta"`, `"logprobs":{"content":[{"token":"a","logprob":-0.5}]},"delta"`, 1)
	s := open(t, sse(probs, end), completion.Shape{Strip: true})
	got, err = drain(t, s)
	if err != io.EOF || strings.Contains(got[0], "logprobs") || !strings.Contains(got[0], `"exotic":{"n":1.10}`) {
		t.Errorf("got %s, %v", got, err)
	}
	if tokens := s.Answer.Tokens; len(tokens) != 1 || tokens[0] != (completion.Token{Text: "a", Logprob: -0.5}) {
		t.Errorf("tokens %v", tokens)
	}
}

func TestTokensOfUnknownProbability(t *testing.T) {
	probs := strings.Replace(end, `"delta"`, `"logprobs":{"content":[{"token":"a"},{"token":"b","logprob":null},{"token":"c","logprob":0}]},"delta"`, 1)
	s := open(t, sse(hel, probs), completion.Shape{})
	if _, err := drain(t, s); err != io.EOF {
		t.Fatal(err)
	}
	tokens := s.Answer.Tokens
	if len(tokens) != 3 || !math.IsNaN(tokens[0].Logprob) || !math.IsNaN(tokens[1].Logprob) || tokens[2].Logprob != 0 {
		t.Errorf("got %v", tokens)
	}
}

func TestStreamFaults(t *testing.T) {
	cut := strings.TrimSuffix(sse(hel), "data: [DONE]\n\n")
	tests := []struct {
		name, body string
		want       error
	}{
		{"nothing", "", fault.ErrCut},
		{"comments only", ": hello\n\n", fault.ErrCut},
		{"no finish", cut, fault.ErrCut},
		{"final chunk not closed", cut + "data: " + end, fault.ErrCut},
		{"not JSON", cut + "data: {\"id\":\n\n" + sse(end), fault.ErrBroken},
		{"wrong types", cut + sse(`{"choices":5}`), fault.ErrBroken},
		{"a list", cut + sse(`[1]`), fault.ErrBroken},
		{"HTML", "<html>\n\n<body>Sign in</body>\n\n", fault.ErrCut},
	}
	for _, tt := range tests {
		s := open(t, tt.body, completion.Shape{})
		if _, err := drain(t, s); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if err := open(t, tt.body, completion.Shape{}).Prime(-1); !errors.Is(err, tt.want) {
			t.Errorf("%s: primed %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestStreamBound(t *testing.T) {
	more := "data: {\"pad\":\"" + strings.Repeat("x", 7<<20) + "\"}\n\n"
	if got, err := drain(t, open(t, sse(hel)+strings.Repeat(more, 5), completion.Shape{})); err != io.EOF || len(got) != 2 {
		t.Errorf("after [DONE]: got %d chunks, %v", len(got), err)
	}
	if _, err := drain(t, open(t, strings.Repeat(more, 5), completion.Shape{})); !errors.Is(err, fault.ErrBroken) {
		t.Errorf("got %v, want ErrBroken", err)
	}
}

func TestStreamErrorEvent(t *testing.T) {
	for _, body := range []string{`{"error":{"message":"too hot","type":"server_error","code":500}}`, `{"error":"too hot"}`} {
		_, err := drain(t, open(t, sse(hel, body), completion.Shape{}))
		var e *fault.Error
		if !errors.As(err, &e) || e.Message != "too hot" || e.Status != http.StatusBadGateway {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestPrime(t *testing.T) {
	for n := -1; n <= 4; n++ {
		s := open(t, sse(hel, lo, end), completion.Shape{})
		if err := s.Prime(n); err != nil {
			t.Fatalf("prime %d: %v", n, err)
		}
		if s.Ended() != (n < 0 || n > 2) {
			t.Errorf("prime %d: ended is %v", n, s.Ended())
		}
		if got, err := drain(t, s); err != io.EOF || strings.Join(got, "\n") != strings.Join([]string{hel, lo, end}, "\n") {
			t.Errorf("prime %d: got %s, %v", n, got, err)
		}
	}
	for name, body := range map[string]string{"only [DONE]": sse(), "no content": sse(piece(`{"role":"assistant","content":""}`, "null", ""), end)} {
		if err := open(t, body, completion.Shape{}).Prime(1); !errors.Is(err, fault.ErrEmpty) {
			t.Errorf("%s: got %v, want ErrEmpty", name, err)
		}
	}
	if err := open(t, sse(piece(`{}`, `"length"`, "")), completion.Shape{}).Prime(1); err != nil {
		t.Errorf("an answer cut by its limit: %v", err)
	}
	for _, body := range []string{piece(`{"audio":{"data":"AA"}}`, "null", ""), piece(`{"function_call":{"name":"f"}}`, "null", ""), piece(`{"refusal":"no"}`, "null", "")} {
		if err := open(t, sse(body, end), completion.Shape{}).Prime(-1); err != nil {
			t.Errorf("%s says something: %v", body, err)
		}
	}
	for _, delta := range []string{`{"content":" \n"}`, `{"reasoning_content":"hm"}`, `{"audio":null,"annotations":[]}`} {
		if err := open(t, sse(piece(delta, "null", ""), end), completion.Shape{}).Prime(-1); !errors.Is(err, fault.ErrEmpty) {
			t.Errorf("%s says nothing: %v", delta, err)
		}
	}
	s := open(t, sse(piece(`{"reasoning":"hm"}`, "null", ""), hel, end), completion.Shape{})
	if err := s.Prime(1); err != nil || s.Answer.Text() != "" {
		t.Errorf("a thought is progress: %v, read %q", err, s.Answer.Text())
	}
}

// TestCallDeltas looks at tool call deltas as callers get them.
func TestCallDeltas(t *testing.T) {
	const want = `[{"index":0,"id":"a","extra":1,"type":"function","function":{"name":"f","arguments":""}}]` + "\n" +
		`[{"index":0,"function":{"arguments":"{\"x\":1}"}}]` + "\n" + `[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]`
	for name, calls := range map[string][]string{
		"right already": {
			`"index":0,"id":"a","extra":1,"type":"function","function":{"name":"f","arguments":""}`, `"index":0,"function":{"arguments":"{\"x\":1}"}`,
			`"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`},
		"no index, all on every part": {
			`"id":"a","extra":1,"type":"function","function":{"name":"f","arguments":""}`, `"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}`,
			`"id":"b","type":"function","function":{"name":"g","arguments":{}}`},
		"odd shapes": {
			`"index":"3","id":"a","extra":1,"type":"function","function":{"name":"f","arguments":null}`, `"index":3.0,"id":null,"type":null,"function":{"name":"","arguments":"{\"x\":1}"}`,
			`"index":"4","id":"b","type":"function","function":{"name":"g","arguments":{}}`},
	} {
		chunks, err := drain(t, open(t, sse(toolCall(calls[0]), toolCall(calls[1]), toolCall(calls[2]), end), completion.Shape{}))
		if err != io.EOF || len(chunks) != 4 {
			t.Fatalf("%s: %s, %v", name, chunks, err)
		}
		for i, line := range strings.Split(want, "\n") {
			var c struct {
				Choices []struct {
					Delta struct {
						Calls any `json:"tool_calls"`
					}
				}
			}
			var w any
			if json.Unmarshal([]byte(chunks[i]), &c) != nil || json.Unmarshal([]byte(line), &w) != nil || !reflect.DeepEqual(c.Choices[0].Delta.Calls, w) {
				t.Errorf("%s: got %s, want %s", name, chunks[i], line)
			}
		}
		checkShape(t, chunks, false)
	}
}

// theirs is a text in JSON as encoding/json writes it, with HTML left alone.
func theirs(text []byte) (string, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(json.RawMessage(text))
	return strings.TrimSuffix(out.String(), "\n"), err
}

func FuzzStream(f *testing.F) {
	for _, seed := range []string{sse(hel, lo, end, usage), sse(`{"choices":[null]}`), sse(`{"Choices":[{"delta":{"TOOL_CALLS":[{},5]}}],"choices":[]}`, end), sse(`null`), sse(`{"error":{}}`), sse(`{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}`), "data: [DONE]\n\n", "data:\n\n"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, flags uint8) {
		s := open(t, string(body), completion.Shape{Usage: flags&1 > 0, Strip: flags&2 > 0})
		if flags&4 > 0 {
			_ = s.Prime(int(flags >> 3)) // its fault comes again from Next
		}
		chunks, err := drain(t, s)
		for _, c := range chunks {
			if !json.Valid([]byte(c)) || strings.ContainsAny(c, "\r\n") {
				t.Fatalf("chunk %q", c)
			}
		}
		if len(chunks) > bytes.Count(body, []byte("data:"))+2 {
			t.Fatalf("%d chunks", len(chunks))
		}
		if err != io.EOF || s.Answer.Empty() {
			return
		}
		kept := s.Answer.Completion()
		if same, err := theirs(kept); err != nil || same != string(kept) {
			t.Fatalf("completion %q, by encoding/json %q, %v", kept, same, err)
		}
		if a, err := completion.Parse(kept); err != nil && !errors.Is(err, fault.ErrEmpty) || err == nil && a.Text() != s.Answer.Text() {
			t.Fatalf("its completion: %v", err)
		}
	})
}

func BenchmarkStreamChunk(b *testing.B) {
	const n = 1000
	body := sse(append(strings.Split(strings.Repeat(lo+"\n", n-1), "\n")[:n-1], end)...)
	for _, shape := range []completion.Shape{{}, {Strip: true}} {
		b.Run(fmt.Sprintf("strip=%v", shape.Strip), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if chunks, err := drain(b, open(b, body, shape)); err != io.EOF || len(chunks) != n {
					b.Fatal(len(chunks), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/chunk")
		})
	}
}
