// Package signer finds what signs for an operator: a private key in a file, a
// key that an ssh-agent holds, or a program that speaks to a token or a vault.
// The private half is only ever in memory for the first of these.
package signer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"nearside/agent/config/strict"
	"nearside/policy/seal"
)

const (
	agentPrefix   = "agent:"
	commandPrefix = "command:"
	maxFile       = 8 << 10
)

// Usage says how keys are named, for the help of flags.
const Usage = "a private key: `FILE`, agent:KEYID (ssh-agent), or command:/PROGRAM ARGS"

// Set opens signers. Public are files with the public keys of the programs
// among them, in their order; Warn is told what should be mended.
type Set struct {
	Public []string
	Warn   func(format string, args ...any)
}

// Open gives the signers of those names, in their order. It asks an agent for
// its list of keys, and runs no program yet.
func (s Set) Open(ctx context.Context, names []string) ([]seal.Signer, error) {
	signers, public := []seal.Signer{}, s.Public
	for _, name := range names {
		one, err := s.open(ctx, name, &public)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		if slices.ContainsFunc(signers, func(s seal.Signer) bool { return s.Key() == one.Key() }) {
			return nil, fmt.Errorf("key %s is one that was named before, and signs only once", name)
		}
		signers = append(signers, one)
	}
	if len(public) > 0 {
		return nil, fmt.Errorf("--key-pub %s belongs to no command: key", public[0])
	}
	return signers, nil
}

func (s Set) open(ctx context.Context, name string, public *[]string) (seal.Signer, error) {
	if id, ok := strings.CutPrefix(name, agentPrefix); ok {
		return openAgent(ctx, id)
	}
	line, ok := strings.CutPrefix(name, commandPrefix)
	if !ok {
		return s.file(name)
	}
	if len(*public) == 0 {
		return nil, errors.New("its public key is not known; give it with --key-pub FILE")
	}
	key, err := readPublic((*public)[0])
	if err != nil {
		return nil, err
	}
	*public = (*public)[1:]
	return newProgram(ctx, line, key)
}

// file reads a private key.
func (s Set) file(path string) (seal.Signer, error) {
	text, err := strict.ReadFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	key, err := seal.ParsePrivate(text)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && s.Warn != nil {
		s.Warn("%s can be read by others; mend it with: chmod 600 %s", path, path)
	}
	return key, nil
}

// readPublic reads a public key from a file.
func readPublic(path string) (seal.Key, error) {
	text, err := strict.ReadFile(path, maxFile)
	if err != nil {
		return seal.Key{}, err
	}
	key, err := seal.ParsePublic(text)
	if err != nil {
		return seal.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// Public is the public half of a key by the name of either: the file of a
// public key, or a key of the agent.
func Public(ctx context.Context, name string) (seal.Key, error) {
	id, ok := strings.CutPrefix(name, agentPrefix)
	if !ok {
		return readPublic(name)
	}
	s, err := openAgent(ctx, id)
	if err != nil {
		return seal.Key{}, fmt.Errorf("key %s: %w", name, err)
	}
	return s.Key(), nil
}
