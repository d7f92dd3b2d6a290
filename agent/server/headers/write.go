package headers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"nearside/agent"
)

// headline is a header that tells of the reply.
type headline struct{ name, value string }

// Write says in headers who answered and why; what is empty is left out.
func Write(h http.Header, head *agent.Head) {
	lines := [...]headline{
		{"X-Nearside-Decision", head.Decision}, {"X-Nearside-Route", head.Route}, {"X-Nearside-Target", head.Target},
		{"X-Nearside-Model", clean(head.Model)}, {"X-Nearside-Reason", head.Reason}, {"X-Nearside-Attempts", strconv.Itoa(head.Attempts)},
		{"X-Nearside-Policy", head.Policy}, {"X-Nearside-Cache", head.Cache}, {"Server-Timing", timing(&head.Timing)},
	}
	values := make([]string, len(lines)) // one piece of memory for all
	for i := range lines {
		if l := &lines[i]; l.value != "" {
			values[i] = l.value
			h[l.name] = values[i : i+1 : i+1]
		}
	}
	if len(head.Warnings) > 0 {
		h.Set("X-Nearside-Warnings", clean(strings.Join(head.Warnings, ",")))
	}
	if head.Kept {
		age := strconv.FormatInt(int64(head.Age/time.Second), 10)
		h.Set("X-Nearside-Age", age)
		h.Set("Age", age)
	}
	if head.Degraded {
		h.Set("X-Nearside-Degraded", "1")
	}
}

// maxName bounds what a target or a caller has us say in one header, in bytes:
// some clients take no more than 16 KiB of all.
const maxName = 1 << 10

// clean keeps a name a target sent fit for a header.
func clean(s string) string {
	s = s[:min(len(s), maxName)]
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return strings.Map(printable, s)
		}
	}
	return s
}

// printable is the character where a header may have it, else none.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// timing is a Server-Timing value, in milliseconds (W3C Server Timing).
func timing(t *agent.Timing) string {
	b := make([]byte, 0, 96)
	b = appendTiming(b, "policy", t.Policy)
	b = appendTiming(b, "local", t.Local)
	b = appendTiming(b, "cloud", t.Cloud)
	return string(appendTiming(b, "total", t.Total))
}

// appendTiming appends one metric, to the microsecond; of no time there is none.
func appendTiming(b []byte, name string, d time.Duration) []byte {
	if d <= 0 {
		return b
	}
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(append(b, name...), ";dur="...)
	us := uint64(d.Round(time.Microsecond) / time.Microsecond)
	b = strconv.AppendUint(b, us/1000, 10)
	return append(b, '.', byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}
