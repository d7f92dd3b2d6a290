package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nearside/policy/seal"
)

// view is what an envelope holds, for programs and for people. Whoever reads it
// has not been told that it is true.
type view struct {
	File    string          `json:"file"`
	Type    string          `json:"type"` // policy, root or command
	Digest  string          `json:"digest"`
	KeyIDs  []string        `json:"keyids"` // named by the signatures, good or not
	Payload *seal.Payload   `json:"document,omitempty"`
	Root    *rootView       `json:"root,omitempty"`
	Command json.RawMessage `json:"command,omitempty"`
}

type rootView struct {
	Version   int64     `json:"version"`
	Threshold int       `json:"threshold"`
	Keys      []string  `json:"keys"`
	Tenant    string    `json:"tenant,omitempty"`
	Epoch     int64     `json:"epoch,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
}

// look reads what is in an envelope, whoever signed it. A body is not repeated.
func look(envelope []byte) (*view, error) {
	e, err := seal.Peek(envelope)
	if err != nil {
		return nil, err
	}
	v := &view{Digest: seal.Digest(e.Payload), KeyIDs: []string{}}
	for _, s := range e.Signatures {
		v.KeyIDs = append(v.KeyIDs, s.KeyID)
	}
	switch e.Type {
	case seal.RootType:
		v.Type = "root"
		return v, v.root(e.Payload)
	case seal.CommandType:
		v.Type, v.Command = "command", e.Payload
		_, err := seal.ParseCommand(e.Payload)
		return v, err
	}
	p, err := seal.ParsePayload(e.Payload)
	if err != nil {
		return nil, err
	}
	v.Type, v.Payload = p.Kind, p
	return v, nil
}

func (v *view) root(payload []byte) error {
	r, err := seal.ReadRoot(payload)
	if err != nil {
		return err
	}
	v.Root = &rootView{r.Version, r.Threshold, keyIDs(r), r.Tenant, r.Epoch, r.Expires}
	return nil
}

// lines is the view for people.
func (v *view) lines() string {
	lines := []string{}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch {
	case v.Root != nil:
		add("root %d: %d of %d keys (%s)%s%s", v.Root.Version, v.Root.Threshold, len(v.Root.Keys), strings.Join(v.Root.Keys, ", "),
			some(", tenant %s", v.Root.Tenant), some(", until %s", day(v.Root.Expires)))
	case v.Payload != nil:
		v.payload(add)
	default:
		add("command: %s", v.Command)
	}
	add("digest %s", v.Digest)
	add("signatures by %s", strings.Join(v.KeyIDs, ", "))
	if v.File != "" {
		lines[0] = v.File + ": " + lines[0]
	}
	return strings.Join(lines, "\n")
}

func (v *view) payload(add func(string, ...any)) {
	p := v.Payload
	add("%s version %d for %s/%s, issued %s", p.Kind, p.Version, p.Tenant, p.Channel, day(p.Issued))
	for _, line := range []string{
		some("only for %s", strings.Join(p.Audience, ", ")), some("from %s", day(p.NotBefore)), some("until %s", day(p.NotAfter)),
		some("only nearside %s or newer", p.MinAgent), some("only after %s", p.Previous),
	} {
		if line != "" {
			add("%s", line)
		}
	}
	if p.Epoch > 0 {
		add("epoch %d", p.Epoch)
	}
	if p.Rollout != nil {
		add("only for %v %% of the devices", p.Rollout.Pct)
	}
	for _, f := range p.Files {
		add("file %s, %d bytes from %s", f.Name, f.Bytes, f.URL)
	}
}

// some puts text into a format, "" for none.
func some(format, text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(format, text)
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
