// Package secret says where a secret is, never what it is: the config names a
// variable, a file or a command, and only who needs the secret reads it. Nothing
// here repeats a secret, not in an error either.
package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"nearside/agent/config/strict"
)

const (
	maxKeyBytes = 64 << 10
	keyWait     = 10 * time.Second
)

// Key says where a secret is: in a variable, a file or the output of a command.
// At most one is set; the zero Key is no secret. It never holds the secret.
type Key struct {
	Env     string   `json:"env,omitempty"`
	File    string   `json:"file,omitempty"`
	Command []string `json:"command,omitempty"`
}

var _ strict.Secret = Key{}

// IsZero tells whether there is no secret.
func (k Key) IsZero() bool { return k.Env == "" && k.File == "" && k.Command == nil }

// IsSecret marks the type for [strict.Secret].
func (k Key) IsSecret() {}

// UnmarshalText refuses a secret that was written into the config, and does not
// repeat it.
func (k *Key) UnmarshalText([]byte) error {
	return errors.New("must not be written here; use {env: NAME}, {file: PATH} or {command: [PROGRAM, ...]}")
}

// Resolve reads the secret, white space around it cut off; "" for the zero Key.
// A command gets ten seconds. No error repeats what was read.
func (k Key) Resolve(ctx context.Context) (string, error) {
	if k.IsZero() {
		return "", nil
	}
	raw, err := k.read(ctx)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(raw))
	if err := checkSecret(secret); err != nil {
		return "", fmt.Errorf("%s %w", k.place(), err)
	}
	return secret, nil
}

func (k Key) read(ctx context.Context) ([]byte, error) {
	switch {
	case k.Env != "":
		return readVariable(k.Env)
	case k.File != "":
		return strict.ReadFile(k.File, maxKeyBytes)
	}
	return run(ctx, k.Command)
}

func (k Key) place() string {
	switch {
	case k.Env != "":
		return "variable " + k.Env
	case k.File != "":
		return "file " + k.File
	}
	return "output of " + k.Command[0]
}

func readVariable(name string) ([]byte, error) {
	value, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("variable %s is not set", name)
	}
	return []byte(value), nil
}

func run(ctx context.Context, command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", command[0], err)
	}
	return out, nil
}

// checkSecret tells whether the secret can be sent in a header.
func checkSecret(secret string) error {
	if secret == "" {
		return errors.New("is empty")
	}
	if len(secret) > maxKeyBytes {
		return errors.New("is too long for a key")
	}
	for _, c := range secret {
		if c <= ' ' || c > '~' {
			return errors.New("holds a space, a line break or another character that no key has")
		}
	}
	return nil
}
