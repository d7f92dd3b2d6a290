package completion_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
)

// many is a list of n entries, each with its place where it says %d.
func many(n int, entry string) string {
	var all strings.Builder
	for i := range n {
		if i > 0 {
			all.WriteByte(',')
		}
		all.WriteString(strings.ReplaceAll(entry, "%d", fmt.Sprint(i)))
	}
	return "[" + all.String() + "]"
}

// whole is a plain reply with that message.
func whole(message string) string {
	return `{"id":"c1","choices":[{"index":0,"message":` + message + `,"finish_reason":"stop"}]}`
}

// TestCallsBound asks for an end of replies that call tools without end, in a
// message, in a delta or in many, also where the same delta says that it is the
// last.
func TestCallsBound(t *testing.T) {
	const call = `{"index":%d,"id":"c%d","type":"function","function":{"name":"f","arguments":"{}"}}`
	each := func(n int, call, finish string) string {
		chunks := make([]string, n)
		for i := range n {
			why := "null"
			if i == n-1 {
				why = finish
			}
			chunks[i] = piece(`{"tool_calls":[`+strings.ReplaceAll(call, "%d", fmt.Sprint(i))+`]}`, why, "")
		}
		return sse(append(chunks, end)...)
	}
	const most = 256
	for n, want := range map[int]error{most: nil, most + 1: fault.ErrBroken, 60_000: fault.ErrBroken} {
		calls := `{"tool_calls":` + many(n, call) + `}`
		a, _, plain := completion.Read([]byte(whole(calls)), false)
		once := open(t, sse(piece(calls, "null", ""), end), completion.Shape{})
		often := open(t, each(n, call, "null"), completion.Shape{})
		only := open(t, sse(piece(calls, `"tool_calls"`, "")), completion.Shape{})
		last := open(t, each(n, call, `"tool_calls"`), completion.Shape{})
		for how, err := range map[string]error{
			"plain": plain, "in a delta": once.Prime(-1), "in many": often.Prime(-1), "in the only one": only.Prime(-1), "in many to the end": last.Prime(-1),
		} {
			if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "over 256 tool calls") {
				t.Errorf("%d calls, %s: got %v, want %v", n, how, err, want)
			}
		}
		if want == nil && (count(a) != n || count(once.Answer) != n || count(often.Answer) != n) {
			t.Errorf("%d calls: got %d, %d, %d", n, count(a), count(once.Answer), count(often.Answer))
		}
	}
	long := open(t, each(2000, `{"index":0,"function":{"arguments":"%d,"}}`, "null"), completion.Shape{})
	if _, err := drain(t, long); err != io.EOF || count(long.Answer) != 1 {
		t.Errorf("one call in many parts: %d calls, %v", count(long.Answer), err)
	}
}

func count(a *completion.Answer) (n int) {
	for range a.Calls {
		n++
	}
	return n
}

// TestChoicesBound: nobody here asks for more than one choice, and those that
// come all the same take room.
func TestChoicesBound(t *testing.T) {
	reply := func(n int) string {
		return `{"choices":` + many(n, `{"index":%d,"message":{"role":"assistant","content":"a%d"},"finish_reason":"stop"}`) + `}`
	}
	const most = 128
	a, body, err := completion.Read([]byte(reply(most)), false)
	if err != nil || a.Text() != "a0" || string(body) != reply(most) {
		t.Errorf("%d choices: got %+v, %v", most, a, err)
	}
	for _, n := range []int{most + 1, 80_000} {
		body := []byte(reply(n))
		s := open(t, sse(string(body)), completion.Shape{})
		_, plain := completion.Parse(body)
		for how, err := range map[string]error{"plain": plain, "in a chunk": s.Prime(-1)} {
			if !errors.Is(err, fault.ErrBroken) || !strings.Contains(err.Error(), "over 128 choices") {
				t.Errorf("%d choices, %s: got %v", n, how, err)
			}
		}
	}
	huge := []byte(reply(80_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = completion.Parse(huge)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 || err == nil {
		t.Errorf("%d bytes of choices take %d more, %v", len(huge), took, err)
	}
}
