package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"nearside/policy/seal/exact"
)

// Kinds of documents that travel as [PolicyType].
const (
	KindPolicy      = "policy"
	KindGate        = "gate"
	KindCalibration = "calibration"
	KindPrices      = "prices"
	KindTargets     = "targets"
)

// Kinds lists them.
func Kinds() []string {
	return []string{KindPolicy, KindGate, KindCalibration, KindPrices, KindTargets}
}

const (
	maxFiles     = 64
	maxFileBytes = 1 << 40
)

// Payload is a signed document: what it is, for whom, from when until when, and
// the text itself. Version is 1 to 2^53-1, Previous the digest that must be in
// force before it. Zero times, an empty Audience, MinAgent or Previous and a nil
// Rollout restrict nothing.
type Payload struct {
	Tenant    string    `json:"tenant"`
	Channel   string    `json:"channel"`
	Version   int64     `json:"version"`
	Epoch     int64     `json:"epoch,omitempty"`
	Issued    time.Time `json:"issued"`
	Kind      string    `json:"kind"`
	Body      string    `json:"body"`
	Audience  Audience  `json:"audience,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	MinAgent  string    `json:"min_agent,omitempty"`
	Previous  string    `json:"previous,omitempty"`
	Rollout   *Rollout  `json:"rollout,omitempty"`
	Files     []File    `json:"files,omitempty"`

	// Digest is the SHA-256 of the bytes it was read from, "" where it was not.
	Digest string `json:"-"`
}

// File is something too large for the envelope: where it is and what it must
// be. Its name is no path, and only an https URL is taken.
type File struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// Encode is the payload as it is signed, times in whole seconds. One that
// devices would refuse for its form is an error, a [*Refusal].
func (p *Payload) Encode() ([]byte, error) {
	c := *p
	c.Issued, c.NotBefore, c.NotAfter = seconds(p.Issued), seconds(p.NotBefore), seconds(p.NotAfter)
	b, err := encode(c)
	if err != nil {
		return nil, err
	}
	_, err = ParsePayload(b)
	return b, err
}

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// encode writes JSON as short as it gets.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ParsePayload reads a payload, whoever signed it. Devices call [Root.Verify].
func ParsePayload(b []byte) (*Payload, error) {
	f, err := parseObject("payload", b)
	if err != nil {
		return nil, err
	}
	p := &Payload{
		Tenant: f.Text("tenant", nameForm, false, isName), Channel: f.Text("channel", nameForm, false, isName),
		Version: f.Whole("version", 1, false), Epoch: f.Whole("epoch", 0, true), Issued: f.Moment("issued", false),
		Kind: f.Text("kind", nameForm, false, isName), Body: f.Text("body", "text", false, func(string) bool { return true }),
		Audience: f.audience(), NotBefore: f.Moment("not_before", true), NotAfter: f.Moment("not_after", true),
		MinAgent: f.Text("min_agent", "a version such as 1.2.3", true, isVersion), Previous: f.Text("previous", "64 lower-case hex digits", true, isDigest),
		Rollout: f.rollout(), Files: f.files(),
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	p.Digest = Digest(b)
	return p, p.check()
}

// check looks at what fields say together.
func (p *Payload) check() error {
	switch {
	case !slices.Contains(Kinds(), p.Kind):
		return refuse(UnknownKind, "payload.kind is %q; known are %s", p.Kind, strings.Join(Kinds(), ", "))
	case !p.NotBefore.IsZero() && !p.NotAfter.IsZero() && !p.NotBefore.Before(p.NotAfter):
		return refuse(Malformed, "payload.not_after must be later than not_before")
	case p.Body == "" && (p.Kind == KindPolicy || len(p.Files) == 0):
		return refuse(Malformed, "payload.body must not be empty")
	}
	return nil
}

func (f fields) files() []File {
	var list []File
	for _, v := range f.List("files", fmt.Sprintf("a list of at most %d files", maxFiles), maxFiles, true) {
		in := f.Inner("files", v)
		list = append(list, File{
			Name:   in.Text("name", "a file name, no path: letters, digits, . _ -, no dot first", false, isFileName),
			URL:    in.Text("url", "an https URL without user and fragment", false, isURL),
			SHA256: in.Text("sha256", "64 lower-case hex digits", false, isDigest),
			Bytes:  in.Whole("bytes", 0, false),
		})
		_ = in.End() // told by f
	}
	for i, file := range list {
		if file.Bytes > maxFileBytes {
			f.Fault("files.bytes", "at most 2^40")
		}
		if slices.ContainsFunc(list[:i], func(o File) bool { return strings.EqualFold(o.Name, file.Name) }) {
			f.Fault("files.name", "another for each file")
		}
	}
	return list
}

func isFileName(s string) bool { return isName(s) && s[0] != '.' }

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && exact.Printable(s, 1, 2048) && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.Contains(s, "#")
}
