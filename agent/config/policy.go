package config

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"

	"nearside/agent/config/strict"
	"nearside/policy"
	"nearside/policy/valid"
)

//go:embed policy.yaml
var builtIn string

// LoadPolicy reads a policy file and checks it. The digest is the SHA-256 of its
// bytes, in hex. The error is like that of [Load].
func LoadPolicy(path string) (doc *policy.Document, digest string, err error) {
	text, err := readFile(path, maxFileBytes)
	if err != nil {
		return nil, "", fmt.Errorf("read policy: %w", err)
	}
	return parsePolicy(path, text)
}

// DefaultPolicy is the policy that is built in, and its text.
func DefaultPolicy() (doc *policy.Document, digest, text string) {
	doc, digest, err := parsePolicy("built-in policy", []byte(builtIn))
	if err != nil {
		panic(err) // a test reads it
	}
	return doc, digest, builtIn
}

func parsePolicy(name string, text []byte) (*policy.Document, string, error) {
	doc := &policy.Document{}
	d := strict.Decode(name, text, doc)
	if err := d.Err(); err != nil {
		return nil, "", err
	}
	if err := report(d, valid.Check(doc)); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(text)
	return doc, hex.EncodeToString(sum[:]), nil
}
