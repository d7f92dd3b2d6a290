package signer

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"nearside/policy/seal"
)

// maxSaid bounds what is kept of what a program prints.
const maxSaid = 4 << 10

// program signs with a program: it gets the message on its standard input and
// prints the signature in base64. It is started once per signature.
type program struct {
	ctx     context.Context
	command []string
	key     seal.Key
}

func newProgram(ctx context.Context, line string, key seal.Key) (seal.Signer, error) {
	command := strings.Fields(line)
	if len(command) == 0 {
		return nil, errors.New("names no program")
	}
	return program{ctx, command, key}, nil
}

func (p program) Key() seal.Key { return p.key }

func (p program) Sign(message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, said := &bounded{}, &bounded{}
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(message), out, said, time.Second
	err := cmd.Run()
	if p.ctx.Err() != nil {
		return nil, fmt.Errorf("run %s: %w", p.command[0], context.Cause(p.ctx))
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %v", patience)
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: %w%s", p.command[0], err, said.quoted())
	}
	sig, err := base64.StdEncoding.DecodeString(out.String())
	if err != nil || len(sig) != 64 {
		return nil, fmt.Errorf("%s must print the 64 bytes of an Ed25519 signature in base64%s", p.command[0], said.quoted())
	}
	return sig, nil
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ kept []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxSaid-len(b.kept))]...)
	return len(p), nil
}

func (b *bounded) String() string { return strings.TrimSpace(string(b.kept)) }

func (b *bounded) quoted() string {
	if said := b.String(); said != "" {
		return fmt.Sprintf("; it said %q", said)
	}
	return ""
}
