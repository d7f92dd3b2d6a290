package stages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"nearside/cloud/wire"
)

// MaxEnvelope is the largest envelope that fits into a record, in bytes: a
// little less than the largest that devices take.
const MaxEnvelope = wire.MaxMessage - 8<<10

// Bounds of a record.
const (
	maxStages = 16
	maxRings  = 16
	maxText   = 1024
	maxPeriod = int64(90 * 24 * time.Hour / time.Millisecond)
)

// Parse reads a record that a broker retains. It is of a stranger until its
// envelope is verified, so that it has bounds and no fields but its own.
func Parse(b []byte) (*Rollout, error) {
	r := &Rollout{}
	if err := decode(b, r); err != nil {
		return nil, fmt.Errorf("rollout: %w", err)
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("rollout: %w", err)
	}
	return r, nil
}

// ParseOrder reads an order that a broker retains.
func ParseOrder(b []byte) (*Order, error) {
	o := &Order{}
	if err := decode(b, o); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	if o.Do != Pause && o.Do != Resume && o.Do != Abort {
		return nil, fmt.Errorf("order: do is %.40q: want %s, %s or %s", o.Do, Pause, Resume, Abort)
	}
	for _, text := range []string{o.ID, o.By} {
		if text == "" || len(text) > 128 || !printable(text) {
			return nil, fmt.Errorf("order: id and by must be 1 to 128 printable characters, not %.40q", text)
		}
	}
	return o, nil
}

// Encode is the order as it is retained.
func (o *Order) Encode() ([]byte, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write the order: %w", err)
	}
	_, err = ParseOrder(b)
	return b, err
}

func decode(b []byte, v any) error {
	if len(b) > wire.MaxMessage {
		return fmt.Errorf("%d bytes, at most %d can be read", len(b), wire.MaxMessage)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return fmt.Errorf("there is something behind the object")
	}
	return nil
}

// Encode is the record as it is retained; one that could not be read again is
// an error.
func (r *Rollout) Encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write the rollout: %w", err)
	}
	if _, err := Parse(b); err != nil {
		return nil, err
	}
	return b, nil
}

// Check says what is wrong with a record: the field, and what would be right.
func (r *Rollout) Check() error {
	for _, check := range []func() error{r.checkNames, r.checkStages, r.Limits.Check, r.checkState} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rollout) checkNames() error {
	if err := wire.CheckName("id", r.ID); err != nil {
		return err
	}
	if err := wire.CheckName("kind", r.Kind); err != nil {
		return err
	}
	switch {
	case r.Version < 1 || r.Version > 1<<53-1:
		return fmt.Errorf("version is %d: want 1 to 2^53-1", r.Version)
	case len(r.Digest) != 64 || strings.Trim(r.Digest, "0123456789abcdef") != "":
		return fmt.Errorf("digest is %.80q: want 64 hex digits", r.Digest)
	case len(r.Salt) > 128 || len(r.By) > 128 || len(r.Order) > 128 || len(r.Why) > maxText:
		return fmt.Errorf("salt, by, order or why is too long: at most 128 bytes, why %d", maxText)
	case !printable(r.Salt + r.By + r.Order + r.Why):
		return fmt.Errorf("salt, by, order or why has characters that cannot be printed")
	}
	return nil
}

func (r *Rollout) checkStages() error {
	if len(r.Stages) < 1 || len(r.Stages) > maxStages {
		return fmt.Errorf("stages: %d, want 1 to %d", len(r.Stages), maxStages)
	}
	for i, s := range r.Stages {
		if len(s.Rings) < 1 || len(s.Rings) > maxRings {
			return fmt.Errorf("stages[%d].rings: %d, want 1 to %d", i, len(s.Rings), maxRings)
		}
		if !(s.Share > 0 && s.Share <= 100) {
			return fmt.Errorf("stages[%d].share is %g: want more than 0, at most 100", i, s.Share)
		}
		for _, ring := range s.Rings {
			if err := wire.CheckName(fmt.Sprintf("stages[%d].rings", i), ring); err != nil {
				return err
			}
		}
	}
	if r.Stage < 0 || r.Stage >= len(r.Stages) {
		return fmt.Errorf("stage is %d: there are %d", r.Stage, len(r.Stages))
	}
	return nil
}

// Check says what is wrong with limits: the field, and what would be right.
func (l *Limits) Check() error {
	switch {
	case !(l.AbortShare >= 0 && l.AbortShare <= 1):
		return fmt.Errorf("limits.abort_share is %g: want 0 to 1", l.AbortShare)
	case l.AbortMin < 1 || l.AbortMin > math.MaxInt32:
		return fmt.Errorf("limits.abort_min is %d: want at least 1", l.AbortMin)
	case l.TimeoutMS < 1 || l.TimeoutMS > maxPeriod:
		return fmt.Errorf("limits.timeout_ms is %d: want 1 to %d", l.TimeoutMS, maxPeriod)
	case l.SoakMS < 0 || l.SoakMS > maxPeriod:
		return fmt.Errorf("limits.soak_ms is %d: want 0 to %d", l.SoakMS, maxPeriod)
	case l.Until != UntilApplied && l.Until != UntilConfirmed:
		return fmt.Errorf("limits.until is %.40q: want %s or %s", l.Until, UntilApplied, UntilConfirmed)
	}
	return nil
}

func (r *Rollout) checkState() error {
	if !slices.Contains([]string{Running, Paused, Aborting, Aborted, Done}, r.State) {
		return fmt.Errorf("state is %.40q: want %s, %s, %s, %s or %s", r.State, Running, Paused, Aborting, Aborted, Done)
	}
	if r.Rev < 1 || r.Rev > 1<<53-1 {
		return fmt.Errorf("rev is %d: want 1 to 2^53-1", r.Rev)
	}
	for reason := range r.Counts.Reasons {
		if len(r.Counts.Reasons) > 4*maxReasons || len(reason) > 128 || !printable(reason) {
			return fmt.Errorf("counts.reasons has too many or such as cannot be printed: %.40q", reason)
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
