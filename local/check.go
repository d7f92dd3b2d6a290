package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nearside/local/sandbox"
)

// stamp tells one state of a file from another without reading it. The zero
// stamp is no file's.
type stamp struct {
	dev, inode       uint64
	size             int64
	written, changed syscall.Timespec
}

func stampOf(path string) (stamp, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stamp{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}, nil
}

// check finds what would make a start pointless: no engine, an engine with a
// known hole, no model, or a model that is not the one it should be. A model
// file that is still as known is not read again. The stamp is that of a file
// that was held to a checksum, else zero.
func (e *engine) check(ctx context.Context, known stamp) (stamp, error) {
	if len(e.opts.Command) == 0 {
		return stamp{}, errors.New("no engine: run make setup, or name a llama-server under local.engine.command")
	}
	now, err := stampOf(e.model.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}, fmt.Errorf("the model file %s is not there; run make setup, or correct local.models", e.model.File)
	case err != nil:
		return stamp{}, fmt.Errorf("look at model: %w", err)
	case now == known:
		return known, nil
	}
	if err := checkBuild(ctx, e.opts.Command); err != nil {
		return stamp{}, err
	}
	sum, err := FileSum(e.model.File)
	if err != nil {
		return stamp{}, fmt.Errorf("read model: %w", err)
	}
	if held, err := e.trust(ctx, sum); err != nil || !held {
		return stamp{}, err
	}
	return now, nil
}

// trust holds a model to its checksum: the catalogue's, else the one that was
// recorded when it was first loaded. It is false while there is neither.
func (e *engine) trust(ctx context.Context, sum string) (held bool, err error) {
	want, source := e.model.SHA256, "the catalogue"
	if want == "" {
		ledger := e.opts.Ledger()
		if ledger == nil {
			return false, nil
		}
		source = "its first load"
		if want, err = recorded(ctx, ledger, ChecksumFact(e.model.Name), sum); err != nil {
			return false, err
		}
	}
	if !strings.EqualFold(want, sum) {
		return false, fmt.Errorf("the model file %s has SHA-256 %.12s..., but %s says %.12s...; it is not loaded. Restore the file, or state its sha256 under local.models", e.model.File, sum, source, want)
	}
	return true, nil
}

// ChecksumFact is the name of the fact that holds the checksum of a model's
// first load, where the catalogue has none.
func ChecksumFact(model string) string { return "model_sha256/" + model }

// recorded is the fact in the ledger; sum becomes it when there is none.
func recorded(ctx context.Context, ledger Ledger, fact, sum string) (string, error) {
	want, ok, err := ledger.Fact(ctx, fact)
	if err != nil {
		return "", fmt.Errorf("look up checksum: %w", err)
	}
	if ok {
		return want, nil
	}
	if err := ledger.SetFact(ctx, fact, sum); err != nil {
		return "", fmt.Errorf("record checksum: %w", err)
	}
	return sum, nil
}

// quantisation is how the names of model files end that say how the weights are
// kept.
var quantisation = regexp.MustCompile(`(?i)[-._]((?:IQ|TQ|Q)[0-9][0-9A-Z_]*|BF16|F16|F32)\.gguf$`)

// Quantisation is how the weights of a model file are kept, such as Q4_1, as
// its name says; "" when it does not.
func Quantisation(file string) string {
	if m := quantisation.FindStringSubmatch(file); m != nil {
		return strings.ToUpper(m[1])
	}
	return ""
}

// FileSum is the SHA-256 of a file, in lower-case hex.
func FileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
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
