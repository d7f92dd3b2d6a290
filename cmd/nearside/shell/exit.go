package shell

import (
	"errors"
	"fmt"
)

// Exit codes of every command.
const (
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRefused     = 3
	ExitAbsent      = 4
	ExitInterrupted = 130
)

// coded is an error with an exit code of its own.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// CodeOf is the exit code that the error ends the program with.
func CodeOf(err error) int {
	var e *coded
	if errors.As(err, &e) {
		return e.code
	}
	return ExitFailed
}

// Usage is a new error of a command line that is not right.
func Usage(format string, args ...any) error { return BadInput(fmt.Errorf(format, args...)) }

// BadInput ends the program as wrong use does: what it was given is not right.
func BadInput(err error) error { return &coded{ExitUsage, err} }

// Refused ends the program as policy or verification do when they forbid.
func Refused(err error) error { return &coded{ExitRefused, err} }

// Absent ends the program as it ends where no daemon answers.
func Absent(err error) error { return &coded{ExitAbsent, err} }

// Failed ends the program with 1, whatever code the error had.
func Failed(err error) error { return &coded{ExitFailed, err} }

// Interrupted ends the program as a signal does.
func Interrupted() error { return &coded{ExitInterrupted, errors.New("interrupted")} }
