// Package report says what became of signed documents and commands on a device,
// as cloud/steer tells it, in the forms that go to its operator, those of
// cloud/wire. What it makes is within the bounds of those forms.
package report

import (
	"encoding/json"
	"strings"
	"unicode"

	"nearside/cloud/steer/news"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// InForce is the policy that is in force.
func InForce(s news.Status) wire.Applied {
	return wire.Applied{Version: s.Version, Epoch: s.Epoch, Digest: s.Digest, State: s.State}
}

// Kinds are the documents of other kinds that are in force.
func Kinds(s news.Status) []wire.Applied {
	var all []wire.Applied
	for _, k := range s.Kinds {
		all = append(all, wire.Applied{Kind: k.Kind, Version: k.Version, Digest: k.Digest, State: "confirmed"})
	}
	return all
}

// Offered is what became of an envelope that was offered; nil when that is no
// news: it was in force already, or could not be looked at. Of one that nobody
// need have signed only the digest is told, by which its operator knows it.
func Offered(envelope []byte, r news.Result, err error) *wire.Result {
	reason := seal.Reason(err)
	switch {
	case err == nil && r.Again, err != nil && reason == "":
		return nil
	case err == nil:
		return &wire.Result{Kind: r.Kind, Version: r.Version, Digest: r.Digest, OK: true}
	}
	out := &wire.Result{Reason: reason, Detail: printable(err.Error())}
	if e, bad := seal.Open(envelope); bad == nil {
		out.Digest = seal.Digest(e.Payload)
	}
	return out
}

// Happened is what an event makes of the newest document: that it was rolled
// back. Other events change nothing, and are nil.
func Happened(e news.Event) *wire.Result {
	if e.Kind != news.RolledBack {
		return nil
	}
	return &wire.Result{Kind: e.What, Version: e.Version, Digest: e.Digest, Reason: e.Reason, Detail: "rolled back", Evidence: e.Evidence}
}

// Answer is what the device of this name says to a command.
func Answer(device string, a news.Answer) wire.Answer {
	out := wire.Answer{ID: a.ID, Device: device, OK: a.OK}
	if len(a.Result) > 0 && json.Unmarshal(a.Result, &out.Result) != nil {
		out.Result = map[string]any{"answer": string(a.Result)}
	}
	if text, failed := out.Result["error"].(string); failed && !a.OK {
		out.Result, out.Error = nil, printable(text)
	}
	return out
}

// printable is the text on one line, short enough for a report.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), 1000)], "")
}
