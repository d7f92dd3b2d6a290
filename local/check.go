package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"nearside/local/sandbox"
	"nearside/local/weights"
)

// check finds what would make a start pointless: no engine, an engine with a
// known hole, no model, or a model that is not the one it should be. A model
// file that is still as known is not read again. The stamp is that of a file
// that was held to a checksum, else zero.
func (e *engine) check(ctx context.Context, known weights.Stamp) (weights.Stamp, error) {
	if len(e.opts.Command) == 0 {
		return weights.Stamp{}, errors.New("no engine: run make setup, or name a llama-server under local.engine.command")
	}
	now, err := weights.StampOf(e.model.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return weights.Stamp{}, fmt.Errorf("the model file %s is not there; run make setup, or correct local.models", e.model.File)
	case err != nil:
		return weights.Stamp{}, fmt.Errorf("look at model: %w", err)
	case now == known:
		return known, nil
	}
	if err := checkBuild(ctx, e.opts.Command); err != nil {
		return weights.Stamp{}, err
	}
	sum, err := weights.Sum(e.model.File)
	if err != nil {
		return weights.Stamp{}, fmt.Errorf("read model: %w", err)
	}
	file := weights.File{Model: e.model.Name, Path: e.model.File, SHA256: e.model.SHA256}
	if held, err := file.Trust(ctx, sum, e.opts.Ledger); err != nil || !held {
		return weights.Stamp{}, err
	}
	return now, nil
}

// oldestBuild is the first llama.cpp build without CVE-2026-107183.
const oldestBuild = 11393

// versionLine is "version: 11549 (commit)", and since 0.6 "version: 0.6.0
// (build 11549, commit ...)".
var versionLine = regexp.MustCompile(`version: (?:\S+ \(build |b?)(\d+)(?:[^.\d]|$)`)

// checkBuild refuses engines with a known hole.
func checkBuild(ctx context.Context, command []string) error {
	_, err := Build(ctx, command)
	return err
}

// Build asks an engine for its llama.cpp build and refuses one with a known
// hole. One that does not tell is taken, as build 0, since it may not be a
// llama-server at all.
func Build(ctx context.Context, command []string) (int, error) {
	said, err := version(ctx, command)
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return 0, fmt.Errorf("the engine %s is not a program that this machine can run; name a llama-server under local.engine.command, or run make setup", command[0])
	case err != nil:
		return 0, fmt.Errorf("the engine %s cannot be run (%w); install llama-server or run make setup", command[0], err)
	}
	m := versionLine.FindSubmatch(said)
	if m == nil {
		return 0, nil
	}
	build, _ := strconv.Atoi(string(m[1]))
	if build > 0 && build < oldestBuild {
		return build, fmt.Errorf("the engine %s is build %d, older than %d, and has CVE-2026-107183; install a newer llama-server or run make setup", command[0], build, oldestBuild)
	}
	return build, nil
}

// version is what the engine says of itself, however that ends. An error is
// one of starting it. Nothing it started is left.
func version(ctx context.Context, command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], "--version")...)
	cmd.Env, cmd.Stdout, cmd.Stderr = sandbox.Env(), &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	waitLeader(cmd.Process.Pid)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
	return said.Bytes(), nil
}
