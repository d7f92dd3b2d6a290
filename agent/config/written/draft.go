package written

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"nearside/agent/config/strict"
	"nearside/policy"
)

// Draft is a policy file whose text could be read; what it says was not
// checked, see [valid.Check].
type Draft struct {
	Doc    *policy.Document
	Digest string // SHA-256 of its text, in hex
	text   *strict.Decoder
}

// OpenDraft reads a policy file. The error is that of a text that is no
// document, with a line for every fault.
func OpenDraft(path string) (*Draft, error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	d := &Draft{Doc: &policy.Document{}}
	d.text = strict.Decode(path, text, d.Doc)
	sum := sha256.Sum256(text)
	d.Digest = hex.EncodeToString(sum[:])
	return d, d.text.Err()
}

// Place is where a path of keys stands in the file, or the nearest one above
// it that is there; line and column are from 1.
func (d *Draft) Place(path string) (line, column int) { return d.text.Place(path) }
