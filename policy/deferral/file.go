package deferral

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Version of the form of a model's file.
const Version = 1

// The file is mark, version, labels, intercept, scale, then for each bucket how
// many labels have it, then the weights in steps of the scale, then the SHA-256
// of all before it. Numbers are little-endian.
const (
	mark = "nearside-deferral\n"
	head = len(mark) + 4 + 4 + 8 + 4
	size = head + 2*buckets + 2*width + sha256.Size

	// steps is how finely the largest weight is told.
	steps = 32767
)

// Encode is the model as a file.
func (m *Model) Encode() []byte {
	scale := float32(0)
	for _, w := range m.weights {
		scale = max(scale, float32(math.Abs(float64(w)))/steps)
	}
	out := make([]byte, 0, size)
	out = append(out, mark...)
	out = binary.LittleEndian.AppendUint32(out, Version)
	out = binary.LittleEndian.AppendUint32(out, uint32(m.labels))
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(m.intercept))
	out = binary.LittleEndian.AppendUint32(out, math.Float32bits(scale))
	for _, n := range m.seen {
		out = binary.LittleEndian.AppendUint16(out, n)
	}
	for _, w := range m.weights {
		step := 0.0
		if scale > 0 {
			step = math.Round(float64(w / scale))
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(step)))
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

// Decode reads a model's file, and says whether it is cut, altered, of another
// version or impossible.
func Decode(text []byte) (*Model, error) {
	m, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read deferral: %w", err)
	}
	return m, nil
}

func decode(text []byte) (*Model, error) {
	rest, ok := bytes.CutPrefix(text, []byte(mark))
	if !ok {
		return nil, errors.New("it is no model for deferral")
	}
	if len(rest) < 4 {
		return nil, errors.New("it is cut after its mark")
	}
	if v := binary.LittleEndian.Uint32(rest); v != Version {
		return nil, fmt.Errorf("version is %d: this program reads %d", v, Version)
	}
	if len(text) != size {
		return nil, fmt.Errorf("it is cut or longer: %d bytes, and it must be %d", len(text), size)
	}
	if sum := sha256.Sum256(text[:size-sha256.Size]); !bytes.Equal(sum[:], text[size-sha256.Size:]) {
		return nil, errors.New("its SHA-256 is another: it was altered")
	}
	return body(rest[4:])
}

// body reads what comes after the version.
func body(b []byte) (*Model, error) {
	m := &Model{labels: int(binary.LittleEndian.Uint32(b)), intercept: math.Float64frombits(binary.LittleEndian.Uint64(b[4:]))}
	scale := math.Float32frombits(binary.LittleEndian.Uint32(b[12:]))
	switch {
	case m.labels < MinLabels || m.labels > MaxLabels:
		return nil, fmt.Errorf("labels is %d: it must be %d to %d", m.labels, MinLabels, MaxLabels)
	case !(math.Abs(m.intercept) <= 100):
		return nil, fmt.Errorf("intercept is %v: it must be -100 to 100", m.intercept)
	case !(scale >= 0 && scale <= 1):
		return nil, fmt.Errorf("scale is %v: it must be 0 to 1", scale)
	}
	b = b[16:]
	for i := range buckets {
		n := binary.LittleEndian.Uint16(b[2*i:])
		if int(n) > 2*m.labels {
			return nil, fmt.Errorf("bucket %d is in %d labels of %d", i, n, m.labels)
		}
		m.seen = append(m.seen, n)
	}
	b = b[2*buckets:]
	for i := range width {
		m.weights = append(m.weights, scale*float32(int16(binary.LittleEndian.Uint16(b[2*i:]))))
	}
	m.rare = rarity(m.seen, m.labels)
	return m, nil
}
