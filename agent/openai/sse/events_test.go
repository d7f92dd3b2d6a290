package sse_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events reads all events and the error that ended them, which must stay.
func events(t *testing.T, r io.Reader) ([]string, error) {
	t.Helper()
	e := &sse.Events{In: r}
	var got []string
	for {
		data, err := e.Next()
		if err == nil {
			got = append(got, string(data))
			continue
		}
		if _, again := e.Next(); again == nil {
			t.Fatalf("an event after %v", err)
		}
		return got, err
	}
}

func TestEvents(t *testing.T) {
	huge := strings.Repeat("x", 1<<17)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"one", "data: a\n\n", []string{"a"}},
		{"no space", "data:a\n\n", []string{"a"}},
		{"one space is taken", "data:  a \n\n", []string{" a "}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		{"comments", ": loading model\n\n:\ndata: a\n: more\n\n", []string{"a"}},
		{"other fields", "event: message\nid: 1\nretry: 5\ndata: a\n\n", []string{"a"}},
		{"many lines", "data: a\ndata:\ndata: b\n\n", []string{"a\n\nb"}},
		{"empty lines", "\n\n\ndata: a\n\n\n\ndata: b\n\n", []string{"a", "b"}},
		{"empty data is no event", "data:\n\ndata: a\n\n", []string{"a"}},
		{"not closed", "data: a\n\ndata: b\n", []string{"a"}},
		{"no line end", "data: a\n\ndata: b", []string{"a"}},
		{"not SSE", "<html>\n<p>data: a\n\n", nil},
		{"huge line", "data: " + huge + "\n\ndata: a\n\n", []string{huge, "a"}},
	}
	for _, tt := range tests {
		for how, r := range map[string]io.Reader{
			"at once":       strings.NewReader(tt.in),
			"byte by byte":  iotest.OneByteReader(strings.NewReader(tt.in)),
			"end with data": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			if got, err := events(t, r); err != io.EOF || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %s: got %.80q, %v; want %.80q, EOF", tt.name, how, got, err, tt.want)
			}
		}
	}
}

func TestComments(t *testing.T) {
	e := &sse.Events{In: strings.NewReader(": one\nevent: x\n:two \ndata: a\n\n:\n")}
	var got []string
	e.Comment = func(text string) { got = append(got, text) }
	if data, err := e.Next(); err != nil || string(data) != "a" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := e.Next(); err != io.EOF || !reflect.DeepEqual(got, []string{"one", "two", ""}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEventsFaults(t *testing.T) {
	broken := errors.New("wire")
	line := "data: " + strings.Repeat("x", 1<<20) + "\n"
	tests := []struct {
		name string
		in   io.Reader
		want error
	}{
		{"a read that fails", io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)), broken},
		{"a line without end", strings.NewReader("data: a\n\n" + strings.Repeat("x", 9<<20)), fault.ErrBroken},
		{"an event without end", strings.NewReader("data: a\n\n" + strings.Repeat(line, 9)), fault.ErrBroken},
	}
	for _, tt := range tests {
		if got, err := events(t, tt.in); !errors.Is(err, tt.want) || len(got) != 1 {
			t.Errorf("%s: got %d events and %v, want 1 and %v", tt.name, len(got), err, tt.want)
		}
	}
}

// plainly reads events by what the standard library takes for lines.
func plainly(in []byte) (all []string) {
	var data []string
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(in, []byte("\uFEFF"))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line, ok := strings.CutPrefix(lines.Text(), "data:")
		if ok {
			data = append(data, strings.TrimPrefix(line, " "))
		}
		if ok || line != "" {
			continue
		}
		if one := strings.Join(data, "\n"); one != "" {
			all = append(all, one)
		}
		data = nil
	}
	return all
}

// TestSlowLine: a long line that comes byte by byte is looked through once; over
// and over it would take a minute.
func TestSlowLine(t *testing.T) {
	long := strings.Repeat("x", 3<<19)
	got, err := events(t, iotest.OneByteReader(strings.NewReader("data:"+long+"\n\ndata:a\n\n")))
	if err != io.EOF || len(got) != 2 || got[0] != long || got[1] != "a" {
		t.Errorf("got %d events, %v", len(got), err)
	}
}

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"data: a\n\n", "data: a\r\ndata: b\r\n\r\n", ": c\n\n", "data\n\n", "\n\n\n", "data:a", "data: a\n\r", "\uFEFFdata:a\n\n", "data:" + strings.Repeat("x", 5000) + "\n\ndata:b\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want := plainly(in)
		for i, r := range []io.Reader{bytes.NewReader(in), iotest.HalfReader(bytes.NewReader(in)), iotest.DataErrReader(bytes.NewReader(in))} {
			if got, err := events(t, r); err != io.EOF || !reflect.DeepEqual(got, want) {
				t.Fatalf("reader %d: got %q, %v; want %q", i, got, err, want)
			}
		}
	})
}
