package server

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/agent"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// maxDeadline bounds what a caller may ask for.
const maxDeadline = time.Hour

// requestID is the caller's own id where it is one, else a new one, which need
// only be like no other.
func requestID(h http.Header) string {
	id := first(h, "X-Request-Id")
	plain := func(c rune) bool { return c > ' ' && c < 0x7f }
	if id != "" && len(id) <= 128 && strings.IndexFunc(id, func(c rune) bool { return !plain(c) }) < 0 {
		return id
	}
	var raw [12]byte
	binary.BigEndian.PutUint64(raw[:8], rand.Uint64())
	binary.BigEndian.PutUint32(raw[8:], rand.Uint32())
	var text [len("req_") + 2*len(raw)]byte
	hex.Encode(text[copy(text[:], "req_"):], raw[:])
	return string(text[:])
}

// first is the first value of a header, "" where it is absent. Names are written
// as net/http keeps them, here and below, so that nothing is made to find one.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// readInput takes what the headers say into the input.
func readInput(h http.Header, in *agent.Input) error {
	var err error
	if in.Mode, err = oneOf(h, "X-Nearside-Mode", policy.Auto, policy.Local, policy.Cloud); err != nil {
		return err
	}
	if in.Privacy, err = oneOf(h, "X-Nearside-Privacy", policy.Normal, policy.Private); err != nil {
		return err
	}
	if in.Deadline, err = deadline(h); err != nil {
		return err
	}
	if in.MaxCost, err = maxCost(h); err != nil {
		return err
	}
	if _, err = oneOf(h, "X-Nearside-Defer", "auto", "never", "only"); err != nil {
		return err
	}
	in.Cache, err = caching(h)
	return err
}

// single is a header that may be there once: of two values the laxer must not win.
func single(h http.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return "" // as nearly always
	}
	return strings.TrimSpace(strings.Join(values, ","))
}

// refuse says what a header must be, by its name as the documents write it.
func refuse(name, value, want string) error {
	name = strings.ToLower(name)
	return fault.Invalid(name, "%s is %.40q; it must be %s.", name, value, want)
}

func oneOf(h http.Header, name string, values ...string) (string, error) {
	v := strings.ToLower(single(h, name))
	if v == "" || slices.Contains(values, v) {
		return v, nil
	}
	return "", refuse(name, v, "one of "+strings.Join(values, ", "))
}

func deadline(h http.Header) (time.Duration, error) {
	const name = "X-Nearside-Deadline-Ms"
	v := single(h, name)
	if v == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil || ms < 1 || ms > maxDeadline.Milliseconds() {
		return 0, refuse(name, v, fmt.Sprintf("a whole number of milliseconds from 1 to %d", maxDeadline.Milliseconds()))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func maxCost(h http.Header) (*float64, error) {
	const name = "X-Nearside-Max-Cost"
	v := single(h, name)
	if v == "" {
		return nil, nil
	}
	usd, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(usd) || math.IsInf(usd, 0) || usd < 0 {
		return nil, refuse(name, v, "an amount of USD, such as 0.01")
	}
	return &usd, nil
}

// caching reads Cache-Control (RFC 9111, 5.2.1). Directives that mean nothing
// here are passed over, as the RFC wants.
func caching(h http.Header) (policy.Caching, error) {
	var c policy.Caching
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		return c, nil
	}
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		switch name {
		case "no-store":
			c.NoStore = true
		case "no-cache":
			c.NoCache = true
		case "only-if-cached":
			c.OnlyIfCached = true
		case "max-age", "max-stale":
			if name == "max-stale" && value == "" {
				continue // any age will do
			}
			n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 64)
			if err != nil || n < 0 {
				return c, fault.Invalid("Cache-Control", "%s is %.40q; it must be a whole number of seconds.", name, value)
			}
			n = min(n, math.MaxInt32)
			if name == "max-age" {
				c.MaxAgeS = stricter(c.MaxAgeS, n)
			} else {
				c.MaxStaleS = stricter(c.MaxStaleS, n)
			}
		}
	}
	return c, nil
}

// stricter is the lower of two bounds of which the first may not be there.
func stricter(before *int64, n int64) *int64 {
	if before != nil {
		n = min(n, *before)
	}
	return &n
}

// headline is a header that tells of the reply.
type headline struct{ name, value string }

// writeHead says in headers who answered and why; what is empty is left out.
func writeHead(h http.Header, head *agent.Head) {
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

// clean keeps a name a target sent fit for a header.
func clean(s string) string {
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
