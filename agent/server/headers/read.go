package headers

import (
	"fmt"
	"math"
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

// Read takes what the headers say into the input. An error is for the caller.
func Read(h http.Header, in *agent.Input) error {
	err := asItIs(h)
	if err != nil {
		return err
	}
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

// asItIs refuses bodies that were packed: nobody here unpacks them.
func asItIs(h http.Header) error {
	const name = "Content-Encoding"
	v := Single(h, name)
	if v == "" || strings.EqualFold(v, "identity") {
		return nil
	}
	return &fault.Error{
		Status: http.StatusUnsupportedMediaType, Type: "invalid_request_error", Code: "unsupported_encoding", Param: strings.ToLower(name),
		Message: fmt.Sprintf("The body is sent with content-encoding %.40q; send it as it is, without that header.", v),
	}
}

// Single is a header that may be there once: of two values the laxer must not win.
func Single(h http.Header, name string) string {
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
	v := strings.ToLower(Single(h, name))
	if v == "" || slices.Contains(values, v) {
		return v, nil
	}
	return "", refuse(name, v, "one of "+strings.Join(values, ", "))
}

func deadline(h http.Header) (time.Duration, error) {
	const name = "X-Nearside-Deadline-Ms"
	v := Single(h, name)
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
	v := Single(h, name)
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
