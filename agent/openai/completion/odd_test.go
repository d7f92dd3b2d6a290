package completion_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// fill is about n bytes: head, as many of one, each with its place where it says
// %d, as there is room for, and tail.
func fill(n int, head, one, tail string) string {
	var all strings.Builder
	all.WriteString(head)
	for i := 0; all.Len() < n; i++ {
		all.WriteString(strings.ReplaceAll(one, "%d", fmt.Sprint(i)))
	}
	return all.String() + tail
}

// oddReplies are plain replies of about n bytes that no good server sends.
func oddReplies(n int) map[string]string {
	const head, tail = `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant",`, `},"finish_reason":"stop"}]}`
	message := func(field, one, end string) string { return fill(n, head+field, one, end+tail) }
	half := strings.Repeat("<", n/2)
	all := map[string]string{
		"text":                 message(`"content":"`, `word `, `"`),
		"escapes":              message(`"content":"`, `\n`, `"`),
		"surrogates":           message(`"content":"`, `\ud83d\ude00`, `"`),
		"lone surrogates":      message(`"content":"`, `\ud83d`, `"`),
		"brackets":             message(`"content":"`, `<`, `"`),
		"not UTF-8":            message(`"content":"`, "a\xff", `"`),
		"blanks":               message(`"content":"`, ` `, `"`),
		"parts":                message(`"content":[`, `{},`, `{"type":"text","text":"a"}]`),
		"parts of numbers":     message(`"content":[`, `0,`, `{"type":"text","text":"a"}]`),
		"parts of text":        message(`"content":[`, `{"type":"text","text":"a"},`, `{"type":"text","text":"a"}]`),
		"lists in parts":       message(`"content":[`, `[],`, `{"type":"text","text":"a"}]`),
		"refusal in parts":     message(`"content":null,"refusal":[`, `{},`, `{"text":"a"}]`),
		"one field often":      message(`"content":"a"`, `,"content":"a"`, ``),
		"calls often":          message(`"content":null`, `,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]`, ``),
		"unknown fields":       message(`"content":"a"`, `,"x%d":1`, ``),
		"escaped names":        message(`"content":"a"`, `,"\u0061":1`, ``),
		"arguments as object":  message(`"content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"a":0`, `,"x%d":"\""`, `}}}]`),
		"arguments in parts":   message(`"content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":[`, `{},`, `{"text":"a"}]}}]`),
		"fields of a call":     message(`"content":null,"tool_calls":[{"id":"a"`, `,"x%d":1`, `,"function":{"name":"f","arguments":"{}"}}]`),
		"ids":                  message(`"content":null,"tool_calls":[{"id":"a"`, `,"id":"a%d"`, `,"function":{"name":"f","arguments":"{}"}}]`),
		"messages":             fill(n, `{"choices":[{"message":{"content":"a"}`, `,"message":{"content":"a"}`, `}]}`),
		"choices often":        fill(n, `{"choices":[]`, `,"choices":[{"message":{"content":"a"}}]`, `}`),
		"fields":               fill(n, `{`, `"x%d":1,`, `"choices":[{"message":{"content":"a"}}]}`),
		"fields, no finish":    fill(n, `{`, `"x%d":1,`, `"choices":[{"message":{"content":"a"}}]}`),
		"fields of a choice":   fill(n, `{"choices":[{`, `"x%d":1,`, `"message":{"content":"a"}}]}`),
		"usages":               fill(n, `{"usage":null`, `,"usage":{"prompt_tokens":1}`, `,"choices":[{"message":{"content":"a"}}]}`),
		"counts":               fill(n, `{"usage":{"prompt_tokens":1`, `,"prompt_tokens":"1"`, `},"choices":[{"message":{"content":"a"}}]}`),
		"a long number":        fill(n, `{"created":1`, `1`, `,"choices":[{"message":{"content":"a"}}]}`),
		"index in parts":       fill(n, `{"choices":[{"index":[`, `{},`, `0],"message":{"content":"a"}}]}`),
		"id in parts":          fill(n, `{"id":[`, `{},`, `0],"choices":[{"message":{"content":"a"}}]}`),
		"blanks between":       fill(n, `{"id":`, ` `, `"c1","choices":[{"message":{"content":"a"}}]}`),
		"an error of fields":   fill(n, `{"error":{"message":"no"`, `,"x%d":1`, `}}`),
		"an error of text":     fill(n, `{"error":{"message":"`, `\n`, `"}}`),
		"an error of codes":    fill(n, `{"error":{"message":"no"`, `,"code":"a%d"`, `}}`),
		"brackets in the id":   `{"id":"` + half + `","choices":[{"message":{"content":"` + half + `"}}]}`,
		"choices that are odd": fill(n, `{"choices":[`+strings.Repeat(`[],`, 100), ` `, `{"message":{"content":"a"}}]}`),
	}
	for name, one := range map[string]string{
		"objects": `{},`, "numbers": `0,`, "lists": `[],`, "nulls": `null,`, "tokens": `{"token":"a","logprob":-0.5},`, "long tokens": `{"token":"aaaaaaaaaaaaaaaaaaaaaaaaaaa\n","logprob":-0.5},`,
		"odd tokens": `{"token":5,"logprob":"-inf"},`, "tops": `{"token":"a","logprob":-0.5,"top_logprobs":[{"token":"b","logprob":-1.5}]},`,
	} {
		all["logprobs of "+name] = fill(n, `{"choices":[{"message":{"content":"a"},"logprobs":{"content":[`, one, `{"token":"a","logprob":0}]}}]}`)
	}
	all["logprobs often"] = fill(n, `{"choices":[{"message":{"content":"a"},"logprobs":{"content":[]`, `,"content":[{"token":"a","logprob":0}]`, `}}]}`)
	all["a deep field"] = fill(n, `{"choices":[{"message":{"content":"a"}}],"x":[0`, `,`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000), `]}`)
	all["deep parts"] = message(`"content":[`, strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`,`, `{"type":"text","text":"a"}]`)
	return all
}

// oddStreams are streams of about n bytes that no good server sends.
func oddStreams(n int) map[string]string {
	event := func(one string) string { return "data: " + one + "\n\n" }
	many := func(one string) string { return fill(n, event(hel), event(one), event(end)) }
	delta := func(delta string) string { return many(piece(delta, "null", "")) }
	bare := func(choice string) string { return many(`{"choices":[` + choice + `]}`) }
	call := func(call string) string { return bare(`{"delta":{"tool_calls":[` + call + `]}}`) }
	all := map[string]string{
		"right":               delta(`{"content":"a"}`),
		"bare":                bare(`{"delta":{"content":"a"}}`),
		"blank":               bare(`{"delta":{"content":" "}}`),
		"blank and right":     strings.Replace(delta(`{"content":" "}`), "Hel", strings.Repeat(" ", 1000), 1),
		"nothing":             many(`{}`),
		"no choice":           many(`{"choices":[]}`),
		"an empty choice":     bare(`{}`),
		"other choices":       bare(`{"index":7}`),
		"choices of all":      bare(strings.Repeat(`{},`, 127) + `{}`),
		"calls without index": call(`{"id":"a","function":{"name":"f","arguments":"1"}}`),
		"calls of objects":    call(`{"index":0,"function":{"arguments":{"a":"b"}}}`),
		"calls of nothing":    call(strings.Repeat(`{},`, 255) + `{}`),
		"calls of one index":  call(`{"index":0,"id":"c%d","function":{}}`),
		"calls with much":     call(`{"index":0,"id":"a","type":"function","x":{"a":[1,2,3]},"function":{"name":"f","arguments":"1","y":[{}]}}`),
		"calls of odd types":  call(`{"index":"0","id":5,"type":[],"function":{"name":{},"arguments":7}}`),
		"calls as numbers":    call(strings.Repeat(`0,`, 255) + `0`),
		"parts":               bare(`{"delta":{"content":[{"type":"text","text":"a"}]}}`),
		"many parts":          bare(`{"delta":{"content":[` + strings.Repeat(`{"type":"text","text":"a"},`, 1000) + `{"type":"text","text":"a"}]}}`),
		"empty parts":         bare(`{"delta":{"content":[` + strings.Repeat(`{},`, 1000) + `{}]}}`),
		"refusal":             bare(`{"delta":{"refusal":false}}`),
		"logprobs":            bare(`{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.5}]}}`),
		"logprobs of objects": bare(`{"delta":{"content":"a"},"logprobs":{"content":[` + strings.Repeat(`{},`, 1000) + `{}]}}`),
		"usage":               many(`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":"1"}}`),
		"finish":              bare(`{"delta":{"content":"a"},"finish_reason":"stop"}`),
		"finish of nothing":   bare(`{"delta":{},"finish_reason":"stop"}`),
		"error null":          many(`{"error":null}`),
		"lines":               strings.ReplaceAll(delta(`{"content":"a"}`), `,"`, ",\ndata:\"") + "",
		"CR":                  strings.ReplaceAll(delta(`{"content":"a"}`), `,"`, ",\r\""),
		"CRLF":                strings.ReplaceAll(delta(`{"content":"a"}`), "\n", "\r\n"),
		"comments":            fill(n, event(hel), ":\n", event(end)),
		"empty lines":         fill(n, event(hel), "\n", event(end)),
		"empty data":          fill(n, event(hel), "data:\n\n", event(end)),
		"lines of data":       fill(min(n, 7<<20), event(hel), "data:\n", "\n\n"+event(end)),
		"not UTF-8":           delta("{\"content\":\"a\xff\"}"),
		"a long id":           event(strings.Replace(hel, "c1", strings.Repeat("<", n/20), 1)) + bare(`{}`),
		"a large text":        event(`{"choices":[{"delta":{"content":[{"type":"text","text":"`+strings.Repeat("<", min(n, 7<<20))+`"}]}}]}`) + event(end),
		"a large call":        event(`{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":"`+strings.Repeat(`\"`, min(n, 7<<20)/2)+`"}}}]}}]}`) + event(end),
		"a large escape":      event(piece(`{"content":"`+strings.Repeat(`\n`, min(n, 7<<20)/2)+`"}`, "null", "")) + event(end),
		"large fields":        fill(min(n, 7<<20), `data: {"choices":[{"delta":{"content":"a"}}]`, `,"x%d":1`, "}\n\n"+event(end)),
		"large fields inside": fill(min(n, 7<<20), `data: {"choices":[{"delta":{"content":"a","tool_calls":[{"function":{"x":1`, `,"x%d":1`, "}}]}}]}\n\n"+event(end)),
	}
	return all
}

// taken is how many bytes f allocates.
func taken(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// streamOdd reads a stream to its end, holds n tokens and tells how long what
// came is.
func streamOdd(t testing.TB, body string, n int) int {
	s := completion.Open(t.Context(), io.NopCloser(strings.NewReader(body)), nil, completion.Shape{})
	_ = s.Prime(n)
	return drained(s)
}

func drained(s *completion.Stream) (out int) {
	defer s.Close()
	for {
		chunk, err := s.Next()
		if err != nil {
			return out
		}
		out += len(chunk)
	}
}

// TestOddRoom: what nobody sends who means well may not cost many times its size
// in memory. Streams are counted with what goes on.
func TestOddRoom(t *testing.T) {
	const n, least = 1 << 15, 1 << 17
	for name, text := range oddReplies(n) {
		body := []byte(text)
		for _, strip := range []bool{false, true} {
			if took := taken(func() { _, _, _ = completion.Read(body, strip) }); took > least+6*len(body) {
				t.Errorf("reply, %s, strip %t: %d bytes take %d", name, strip, len(body), took)
			}
		}
	}
	for name, body := range oddStreams(n) {
		out := 0
		if took := taken(func() { out = streamOdd(t, body, -1) }); took > least+6*(len(body)+out) {
			t.Errorf("stream, %s: %d bytes that go on as %d take %d", name, len(body), out, took)
		}
	}
}

// TestStreamGrowth: a stream may not grow without bound when it is put right,
// such as by an id that is on every chunk.
func TestStreamGrowth(t *testing.T) {
	body := fill(4<<20, sse(strings.Replace(hel, "c1", strings.Repeat("x", 1<<20), 1)), "data: {\"choices\":[{}]}\n\n", "")
	body = strings.Replace(body, "data: [DONE]\n\n", "", 1)
	s := completion.Open(t.Context(), io.NopCloser(strings.NewReader(body)), nil, completion.Shape{})
	if err := s.Prime(-1); !errors.Is(err, fault.ErrBroken) {
		t.Errorf("got %v, want it broken", err)
	}
	if out := drained(s); out > completion.MaxBytes+2<<20 {
		t.Errorf("%d bytes go on as %d", len(body), out)
	}
}

// TestRefusalShape: a refusal is a string, what is none is as good as absent.
func TestRefusalShape(t *testing.T) {
	for refusal, want := range map[string]bool{`"no"`: true, `""`: false, `null`: false, `false`: false, `true`: false, `7`: false, `{"a":1}`: false, `["a"]`: false, `[{"text":"no"}]`: false} {
		a, _, err := completion.Read([]byte(whole(`{"content":"Hello","refusal":`+refusal+`}`)), false)
		if err != nil || a.Refused != want || a.Text() != "Hello" {
			t.Errorf("plain, %s: refused is %t, %v", refusal, a.Refused, err)
		}
		s := open(t, sse(piece(`{"content":"Hello","refusal":`+refusal+`}`, "null", ""), end), completion.Shape{})
		if err := s.Prime(-1); err != nil || s.Answer.Refused != want || s.Answer.Text() != "Hello" {
			t.Errorf("streamed, %s: refused is %t, %v", refusal, s.Answer.Refused, err)
		}
		if _, _, err := completion.Read([]byte(whole(`{"refusal":`+refusal+`}`)), false); errors.Is(err, fault.ErrEmpty) == want {
			t.Errorf("alone, %s: got %v", refusal, err)
		}
	}
}

// spent is the processor time of this process so far.
func spent(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOdd is what replies and streams cost that no good server sends.
func BenchmarkOdd(b *testing.B) {
	const n = 1 << 20
	run := func(kind, name string, size int, read func()) {
		b.Run(kind+"/"+strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.SetBytes(int64(size))
			runtime.GC()
			room, before := taken(read), spent(b)
			for b.Loop() {
				read()
			}
			b.ReportMetric(float64((spent(b)-before).Microseconds())/1e3/float64(b.N)/(float64(size)/1e6), "cpu-ms/MB")
			b.ReportMetric(float64(room)/float64(size), "B/B")
		})
	}
	for name, text := range oddReplies(n) {
		body := []byte(text)
		run("plain", name, len(body), func() { _, _, _ = completion.Read(body, false) })
		run("strip", name, len(body), func() { _, _, _ = completion.Read(body, true) })
	}
	for name, body := range oddStreams(n) {
		run("stream", name, len(body), func() { streamOdd(b, body, -1) })
	}
}
