package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxWord = 128  // bytes of a version, digest, state, reason, id
	maxText = 1024 // bytes of a sentence
	maxList = 64   // entries of a list
)

// ParseBirth reads a device's state. Like the other Parse functions it refuses
// what is longer than MaxMessage or is not in bounds, naming the field, and
// leaves out fields that it does not know, since devices may be newer.
func ParseBirth(b []byte) (*Birth, error) { return parse(b, "state", (*Birth).check) }

// ParseStatus reads a device's report.
func ParseStatus(b []byte) (*Status, error) { return parse(b, "report", (*Status).check) }

// ParseNotice reads an event of a device.
func ParseNotice(b []byte) (*Notice, error) { return parse(b, "event", (*Notice).check) }

// ParseAnswer reads a device's answer to a command.
func ParseAnswer(b []byte) (*Answer, error) { return parse(b, "ack", (*Answer).check) }

func parse[T any](b []byte, name string, check func(*T, *faults)) (*T, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%s: %d bytes, at most %d can be read", name, len(b), MaxMessage)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%s: not UTF-8", name)
	}
	form := new(T)
	if err := json.Unmarshal(b, form); err != nil {
		return nil, fmt.Errorf("%s: %w", name, explained(err))
	}
	var f faults
	if bytes.TrimLeft(b, " \t\r\n")[0] != '{' {
		return nil, fmt.Errorf("%s: want an object", name)
	}
	if check(form, &f); f.err != nil {
		return nil, fmt.Errorf("%s: %w", name, f.err)
	}
	return form, nil
}

// explained says of a wrong type which field it is and what would be right.
func explained(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: want %s, found %s", e.Field, e.Type, e.Value)
	}
	return err
}

// faults keeps the first thing that is wrong.
type faults struct{ err error }

func (f *faults) add(field, format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
	}
}

// name checks a name that may be absent.
func (f *faults) name(field, s string) {
	if s == "" || f.err != nil {
		return
	}
	f.err = CheckName(field, s)
}

func (f *faults) needed(field, s string) {
	if s == "" {
		f.add(field, "is missing")
	}
}

func (f *faults) text(field, s string, limit int) {
	if len(s) > limit {
		f.add(field, "%d bytes, at most %d", len(s), limit)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		f.add(field, "%.80q has characters that cannot be printed", s)
	}
}

func (f *faults) count(field string, n int64) {
	if n < 0 || n > maxVersion {
		f.add(field, "is %d: want 0 to 2^53-1", n)
	}
}

func (f *faults) length(field string, n int) {
	if n > maxList {
		f.add(field, "%d entries, at most %d", n, maxList)
	}
}

func (f *faults) amount(field string, x *float64, most float64) {
	if x != nil && (math.IsNaN(*x) || *x < 0 || *x > most) {
		f.add(field, "is %g: want 0 to %g", *x, most)
	}
}

func (f *faults) time(field string, at *time.Time) {
	if at != nil && !at.IsZero() && (at.Year() < 1970 || at.Year() > 9999) {
		f.add(field, "is in the year %d: want a date", at.Year())
	}
}

func (b *Birth) check(f *faults) {
	f.count("session", b.Session)
	f.time("at", b.At)
	f.text("agent", b.Agent, maxWord)
	f.name("ring", b.Ring)
	f.name("by", b.By)
}

func (s *Status) check(f *faults) {
	f.needed("device", s.Device)
	f.name("device", s.Device)
	f.name("ring", s.Ring)
	f.text("agent", s.Agent, maxWord)
	f.count("session", s.Session)
	f.count("seq", s.Seq)
	f.time("at", &s.At)
	s.Policy.check("policy", f)
	f.length("kinds", len(s.Kinds))
	for i := range s.Kinds {
		s.Kinds[i].check(fmt.Sprintf("kinds[%d]", i), f)
	}
	s.Result.check(f)
	s.checkFigures(f)
}

func (s *Status) checkFigures(f *faults) {
	f.count("root_version", s.Root)
	f.text("clock.state", s.Clock.State, maxWord)
	f.time("clock.time", s.Clock.Time)
	f.count("queue.depth", s.Queue.Depth)
	f.count("queue.dropped", s.Queue.Dropped)
	f.length("health", len(s.Health))
	for i, h := range s.Health {
		f.text(fmt.Sprintf("health[%d].name", i), h.Name, maxWord)
		f.text(fmt.Sprintf("health[%d].severity", i), h.Severity, maxWord)
	}
	s.Traffic.check(f)
	f.count("uptime_s", s.Uptime)
}

func (t *Traffic) check(f *faults) {
	f.count("traffic.asks", t.Asks)
	f.count("traffic.errors", t.Errors)
	f.count("traffic.refusals", t.Refusals)
	f.amount("traffic.local_share", t.LocalShare, 1)
	f.amount("traffic.cost_usd", t.CostUSD, 1e12)
	f.amount("traffic.p50_ms", t.P50MS, 1e12)
	f.amount("traffic.p95_ms", t.P95MS, 1e12)
}

func (a *Applied) check(field string, f *faults) {
	f.name(field+".kind", a.Kind)
	f.count(field+".version", a.Version)
	f.count(field+".epoch", a.Epoch)
	f.text(field+".digest", a.Digest, maxWord)
	f.text(field+".state", a.State, maxWord)
}

func (r *Result) check(f *faults) {
	if r == nil {
		return
	}
	f.name("result.kind", r.Kind)
	f.count("result.version", r.Version)
	f.text("result.digest", r.Digest, maxWord)
	f.text("result.reason", r.Reason, maxWord)
	f.text("result.detail", r.Detail, maxText)
	f.length("result.evidence", len(r.Evidence))
	for i, line := range r.Evidence {
		f.text(fmt.Sprintf("result.evidence[%d]", i), line, maxText)
	}
}

func (n *Notice) check(f *faults) {
	f.needed("id", n.ID)
	f.text("id", n.ID, maxWord)
	f.time("at", &n.At)
	f.needed("kind", n.Kind)
	f.text("kind", n.Kind, maxWord)
	f.length("data", len(n.Data))
}

func (a *Answer) check(f *faults) {
	f.needed("id", a.ID)
	f.text("id", a.ID, maxWord)
	f.needed("device", a.Device)
	f.name("device", a.Device)
	f.length("result", len(a.Result))
	f.text("error", a.Error, maxText)
}
