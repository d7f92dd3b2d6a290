package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/policy"
)

// maxDeadline bounds what a caller may ask for.
const maxDeadline = time.Hour

// requestID is the caller's own id where it is one, else a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("x-request-id")
	plain := func(c rune) bool { return c > ' ' && c < 0x7f }
	if id != "" && len(id) <= 128 && strings.IndexFunc(id, func(c rune) bool { return !plain(c) }) < 0 {
		return id
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return "req_" + hex.EncodeToString(b[:])
}

// readInput takes what the headers say into the input.
func readInput(h http.Header, in *agent.Input) error {
	var err error
	if in.Mode, err = oneOf(h, "x-nearside-mode", policy.Auto, policy.Local, policy.Cloud); err != nil {
		return err
	}
	if in.Privacy, err = oneOf(h, "x-nearside-privacy", policy.Normal, policy.Private); err != nil {
		return err
	}
	if in.Deadline, err = deadline(h); err != nil {
		return err
	}
	if in.MaxCost, err = maxCost(h); err != nil {
		return err
	}
	if _, err = oneOf(h, "x-nearside-defer", "auto", "never", "only"); err != nil {
		return err
	}
	in.Cache, err = caching(h)
	return err
}

// single is a header that may be there once: of two values the laxer must not win.
func single(h http.Header, name string) string {
	return strings.TrimSpace(strings.Join(h.Values(name), ","))
}

func oneOf(h http.Header, name string, values ...string) (string, error) {
	v := strings.ToLower(single(h, name))
	if v == "" || slices.Contains(values, v) {
		return v, nil
	}
	return "", openai.Invalid(name, "%s is %.40q; it must be one of %s.", name, v, strings.Join(values, ", "))
}

func deadline(h http.Header) (time.Duration, error) {
	const name = "x-nearside-deadline-ms"
	v := single(h, name)
	if v == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil || ms < 1 || ms > maxDeadline.Milliseconds() {
		return 0, openai.Invalid(name, "%s is %.40q; it must be a whole number of milliseconds from 1 to %d.", name, v, maxDeadline.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func maxCost(h http.Header) (*float64, error) {
	const name = "x-nearside-max-cost"
	v := single(h, name)
	if v == "" {
		return nil, nil
	}
	usd, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(usd) || math.IsInf(usd, 0) || usd < 0 {
		return nil, openai.Invalid(name, "%s is %.40q; it must be an amount of USD, such as 0.01.", name, v)
	}
	return &usd, nil
}

// caching reads Cache-Control (RFC 9111, 5.2.1). Directives that mean nothing
// here are passed over, as the RFC wants.
func caching(h http.Header) (policy.Caching, error) {
	var c policy.Caching
	for part := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
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
				return c, openai.Invalid("Cache-Control", "%s is %.40q; it must be a whole number of seconds.", name, value)
			}
			n = min(n, math.MaxInt32)
			if name == "max-age" {
				c.MaxAgeS = &n
			} else {
				c.MaxStaleS = &n
			}
		}
	}
	return c, nil
}

// writeHead says in headers who answered and why.
func writeHead(h http.Header, head *agent.Head) {
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set("x-nearside-decision", head.Decision)
	set("x-nearside-route", head.Route)
	set("x-nearside-target", head.Target)
	set("x-nearside-model", clean(head.Model))
	set("x-nearside-reason", head.Reason)
	set("x-nearside-attempts", strconv.Itoa(head.Attempts))
	set("x-nearside-policy", head.Policy)
	set("x-nearside-cache", head.Cache)
	set("x-nearside-warnings", clean(strings.Join(head.Warnings, ",")))
	if head.Kept {
		age := strconv.FormatInt(int64(head.Age/time.Second), 10)
		h.Set("x-nearside-age", age)
		h.Set("Age", age)
	}
	if head.Degraded {
		h.Set("x-nearside-degraded", "1")
	}
	h.Set("Server-Timing", timing(head.Timing))
}

// clean keeps a name a target sent fit for a header.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

func timing(t agent.Timing) string {
	var parts []string
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"policy", t.Policy}, {"local", t.Local}, {"cloud", t.Cloud}, {"total", t.Total}} {
		if p.d > 0 {
			parts = append(parts, fmt.Sprintf("%s;dur=%.3f", p.name, float64(p.d)/float64(time.Millisecond)))
		}
	}
	return strings.Join(parts, ", ")
}
