package fault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// OfSend says why no headers came: the cause of the context when that
// ended, else err.
func OfSend(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// OfRead says what ended the read of a body: the cause of its context when
// that ended, a fault of what was read, else a cut, such as a reset.
func OfRead(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrBroken):
		return err
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// Result names an attempt's end in one word for records and figures.
func Result(err error) string {
	if err == nil {
		return "ok"
	}
	var e *Error
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.As(err, &e):
		return fmt.Sprintf("status_%d", e.Status)
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case untrusted(err):
		return "tls"
	}
	for _, x := range []struct {
		word  string
		fault error
	}{{"broken", ErrBroken}, {"unfit", ErrUnfit}, {"empty", ErrEmpty}, {"cut", ErrCut}, {"stalled", ErrStalled}, {"busy", ErrBusy}, {"down", ErrDown}} {
		if errors.Is(err, x.fault) {
			return x.word
		}
	}
	return "unreachable"
}

// untrusted tells whether no safe connection came about.
func untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record)
}

// Plain says what went wrong in words of our own: what a target wrote may
// quote the prompt.
func Plain(err error) string {
	if err == nil {
		return "" // before anything is made to look closer
	}
	var e *Error
	var op *net.OpError
	switch {
	case errors.As(err, &e):
		return fmt.Sprintf("the target answered status %d", e.Status)
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	for _, known := range []error{
		ErrBroken, ErrUnfit, ErrEmpty, ErrCut, ErrStalled,
		ErrTimeout, ErrBusy, ErrDown,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return Result(err)
}
