package trial

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nearside/policy/seal"
)

// head begins every encoded record; the number is the version of the form.
const head = "nearside-record 1 "

// ErrForm is wrapped by what is wrong with bytes that are no record: torn,
// altered, or of another version of the program.
var ErrForm = errors.New("no record")

// Encode is the record as it is saved: a line with the form and the SHA-256 of
// what follows, then JSON. It is an error when that is more than [MaxRecord].
func (r Record) Encode() ([]byte, error) {
	if err := r.bounded(); err != nil {
		return nil, fmt.Errorf("write the record: %w", err)
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("write the record: %w", err)
	}
	sum := sha256.Sum256(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	b := slices.Concat([]byte(head), []byte(hex.EncodeToString(sum[:])), []byte("\n"), body.Bytes())
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("write the record: %d bytes, at most %d: smaller documents leave room", len(b), MaxRecord)
	}
	return b, nil
}

// Decode reads an encoded record. All that is not exactly one wraps [ErrForm].
func Decode(b []byte) (Record, error) {
	r, err := decode(b)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return r, nil
}

func decode(b []byte) (r Record, err error) {
	body, err := checked(b)
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if d.More() {
		return r, errors.New("something follows it")
	}
	return r, r.check()
}

// checked is what follows the first line, if that says so.
func checked(b []byte) ([]byte, error) {
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("%d bytes, at most %d", len(b), MaxRecord)
	}
	line, body, found := bytes.Cut(b, []byte("\n"))
	written, ours := strings.CutPrefix(string(line), head)
	if !found || !ours {
		return nil, fmt.Errorf("it does not begin with %q", head)
	}
	body, whole := bytes.CutSuffix(body, []byte("\n"))
	if sum := sha256.Sum256(body); !whole || hex.EncodeToString(sum[:]) != written {
		return nil, errors.New("it is torn or altered: the checksum does not fit")
	}
	return body, nil
}

// check looks at what the fields say together and finds out what documents say.
func (r *Record) check() error {
	if r.Seq < 0 || r.Session < 0 || r.Boots < 0 || r.NextBoots < 0 {
		return errors.New("seq, session, boots, next_boots: 0 or more")
	}
	if (r.Trial != nil) != (r.Step == Candidate || r.Step == OnTrial) || r.Trial == nil && r.Step != "" {
		return fmt.Errorf("step %q does not fit what is on trial", r.Step)
	}
	if err := r.bounded(); err != nil {
		return err
	}
	for name, h := range map[string]*Held{"good": r.Good, "before": r.Before, "trial": r.Trial, "next": r.Next} {
		if err := held(name, h, name != "next"); err != nil {
			return err
		}
	}
	return errors.Join(others("kinds", r.Kinds), others("were", r.Were))
}

// others reads documents by their kinds.
func others(name string, all map[string]*Held) error {
	for kind, h := range all {
		if err := held(name+"."+kind, h, false); err != nil {
			return err
		}
		if h == nil || h.Said.Kind != kind {
			return fmt.Errorf("%s.%s: a document of another kind", name, kind)
		}
	}
	return nil
}

// held reads one document; some must be policies.
func held(name string, h *Held, policy bool) error {
	if h == nil {
		return nil
	}
	if err := h.read(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if policy && h.Said.Kind != seal.KindPolicy {
		return fmt.Errorf("%s: a %s where a policy must be", name, h.Said.Kind)
	}
	return nil
}

// bounded tells which list is longer than it may be.
func (r *Record) bounded() error {
	for _, l := range []struct {
		name    string
		n, most int
	}{
		{"roots", len(r.Roots), MaxRoots}, {"floors", len(r.Floors), MaxFloors}, {"bad", len(r.Bad), MaxBad * MaxFloors},
		{"seen", len(r.Seen), MaxSeen}, {"counts.refused", len(r.Counts.Refused), maxReasons + 1},
	} {
		if l.n > l.most {
			return fmt.Errorf("%s has %d entries, at most %d", l.name, l.n, l.most)
		}
	}
	for key, f := range r.Floors {
		if f.Epoch < 0 || f.Version < 1 || f.Digest == "" || f.Current != "" {
			return fmt.Errorf("floors.%s is none: epoch %d, version %d", key, f.Epoch, f.Version)
		}
	}
	return nil
}
