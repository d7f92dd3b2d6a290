package written

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"nearside/agent/config/strict"
	"nearside/policy"
	"nearside/policy/cases"
	"nearside/policy/valid"
)

// Draft is a policy whose text could be read; what it says was not checked, see
// [Draft.Check].
type Draft struct {
	Doc    *policy.Document
	Tests  *cases.File // that it carries, nil when it has none
	Digest string      // SHA-256 of its text, in hex
	text   *strict.Decoder
}

// body is what may stand in the text of a policy.
type body struct {
	policy.Document
	Tests *cases.File `json:"tests,omitempty"`
}

// OpenDraft reads a policy file. The error is that of a text that is no
// document, with a line for every fault.
func OpenDraft(path string) (*Draft, error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	d := Read(path, text)
	return d, d.text.Err()
}

// Read reads a policy from its text, whose size is for the caller to bound; the
// name is for errors. What is wrong with it is for [Draft.Check] to say.
func Read(name string, text []byte) *Draft {
	b := &body{}
	d := &Draft{text: strict.Decode(name, text, b)}
	d.Doc, d.Tests = &b.Document, b.Tests
	sum := sha256.Sum256(text)
	d.Digest = hex.EncodeToString(sum[:])
	return d
}

// Check tells whether the policy can be used and the tests that it carries can
// run. The error is like that of [Load].
func (d *Draft) Check() error {
	if err := d.text.Err(); err != nil {
		return err
	}
	return report(d.text, d.problems())
}

// problems are the faults of a text that could be read.
func (d *Draft) problems() []policy.Problem {
	all := valid.Check(d.Doc)
	if d.Tests != nil {
		for _, p := range d.Tests.Validate() {
			all = append(all, policy.Problem{Path: "tests." + p.Path, Message: p.Message})
		}
	}
	return all
}

// Place is where a path of keys stands in the file, or the nearest one above
// it that is there; line and column are from 1.
func (d *Draft) Place(path string) (line, column int) { return d.text.Place(path) }
