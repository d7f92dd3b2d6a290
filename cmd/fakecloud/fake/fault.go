package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Kind names one way for the API to misbehave.
type Kind string

// The kinds of fault. Those whose name ends in _stream touch streamed chat
// calls only, Empty, NoChoices and Misshapen touch answers only and not lists
// of models, the others every call.
const (
	None        Kind = "none"         // behaves well
	Latency     Kind = "latency"      // waits MS before the headers, then behaves well
	Status      Kind = "status"       // answers Status with an OpenAI error body
	Refused     Kind = "refused"      // the port is closed, connects are refused
	Hang        Kind = "hang"         // takes the call and never sends headers
	HangStream  Kind = "hang_stream"  // after After chunks sends nothing more, connection stays
	CutStream   Kind = "cut_stream"   // after After chunks drops the connection
	EndStream   Kind = "end_stream"   // after After chunks ends cleanly, without finish_reason and [DONE]
	ErrorStream Kind = "error_stream" // after After chunks sends an error event and ends
	CutJSON     Kind = "cut_json"     // the JSON is cut in the middle; in a stream only the chunk after After others
	HTML        Kind = "html"         // 200 and a login page
	Empty       Kind = "empty"        // 200 and an answer without text
	NoChoices   Kind = "no_choices"   // 200 and an empty list of choices
	Misshapen   Kind = "misshapen"    // 200 and JSON that is not as asked: words for JSON, a vector too short, a text for a number
	SlowBody    Kind = "slow_body"    // headers at once, then one byte every 50 ms
)

// Kinds lists every kind of fault, None first.
func Kinds() []Kind {
	return []Kind{
		None, Latency, Status, Refused, Hang, HangStream, CutStream, EndStream,
		ErrorStream, CutJSON, HTML, Empty, NoChoices, Misshapen, SlowBody,
	}
}

// A Fault is what to do wrong, and for how many calls. Fields a kind does not
// use are ignored, but MS delays every kind.
type Fault struct {
	Kind         Kind `json:"kind"`
	MS           int  `json:"ms,omitempty"`             // waited before anything else
	Status       int  `json:"status,omitempty"`         // 400 to 599, for Status
	RetryAfterS  int  `json:"retry_after_s,omitempty"`  // Retry-After header, for Status
	RetryAfterMS int  `json:"retry_after_ms,omitempty"` // retry-after-ms header, for Status
	After        int  `json:"after,omitempty"`          // chunks sent before a stream breaks; never past the finishing one
	Count        int  `json:"count,omitempty"`          // calls still to be touched, 0: until changed; not for Refused
}

// maxMS bounds every duration of a Fault: a day.
const maxMS = 24 * 60 * 60 * 1000

// ParseFault reads a fault as the control API and the command line take it: a
// bare kind ("hang") or a JSON object with the fields of Fault.
func ParseFault(text string) (Fault, error) {
	var f Fault
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") {
		f.Kind = Kind(text)
		return f, f.check()
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Fault{}, fmt.Errorf("read fault: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Fault{}, fmt.Errorf("read fault: more than one JSON value")
	}
	return f, f.check()
}

// check says what makes f impossible.
func (f Fault) check() error {
	switch {
	case !f.Kind.known():
		return fmt.Errorf("fault kind %q is none of %v", f.Kind, Kinds())
	case f.Kind == Status && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault status: status is %d, want 400 to 599", f.Status)
	case f.Kind == Latency && f.MS == 0:
		return fmt.Errorf("fault latency: ms is missing")
	case f.Kind == Refused && f.Count != 0:
		return fmt.Errorf("fault refused: refused connects cannot be counted, leave count out")
	case min(f.MS, f.RetryAfterS, f.RetryAfterMS, f.After, f.Count) < 0:
		return fmt.Errorf("fault %s: a number is negative", f.Kind)
	case f.MS > maxMS:
		return fmt.Errorf("fault %s: ms is above %d", f.Kind, maxMS)
	}
	return nil
}

func (k Kind) known() bool {
	for _, kind := range Kinds() {
		if k == kind {
			return true
		}
	}
	return false
}

// reaches says whether a fault of this kind touches a call.
func (k Kind) reaches(answer, stream bool) bool {
	switch k {
	case HangStream, CutStream, EndStream, ErrorStream:
		return stream
	case Empty, NoChoices, Misshapen:
		return answer
	}
	return k != None
}

func (f Fault) delay() time.Duration { return time.Duration(f.MS) * time.Millisecond }

// String is the fault as one short line of JSON.
func (f Fault) String() string {
	text, err := json.Marshal(f)
	if err != nil {
		return string(f.Kind)
	}
	return string(text)
}
