package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// maxPackBytes is more than insertPiece of the largest values take.
const maxPackBytes = insertPiece * (maxValueBytes + binary.MaxVarintLen64)

// packer compresses values that are much alike into packs of insertPiece. Only
// the writer may use it.
type packer struct{ flate *flate.Writer }

func newPacker() *packer {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // only of a level that does not exist
	}
	return &packer{flate: w}
}

// pack makes one pack: each value behind its length, compressed.
func (p *packer) pack(entries []*entry) []byte {
	var packed bytes.Buffer // which takes all that is written to it
	p.flate.Reset(&packed)
	for _, e := range entries {
		p.flate.Write(binary.AppendUvarint(nil, uint64(len(e.bytes()))))
		p.flate.Write(e.bytes())
	}
	p.flate.Close()
	return packed.Bytes()
}

// unpacker takes values out of packs. It remembers the last pack, as most that
// are read together come from the same.
type unpacker struct {
	packed []byte
	values [][]byte
}

// value is the value at this place of a pack.
func (u *unpacker) value(packed []byte, place int) ([]byte, error) {
	if u.values == nil || !bytes.Equal(u.packed, packed) {
		values, err := unpack(packed)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		u.packed, u.values = packed, values
	}
	if place < 0 || place >= len(u.values) {
		return nil, fmt.Errorf("%w: nothing at place %d of a pack of %d", errDamaged, place, len(u.values))
	}
	return u.values[place], nil
}

func unpack(packed []byte) ([][]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxPackBytes))
	if err != nil {
		return nil, err
	}
	var values [][]byte
	for len(plain) > 0 {
		size, width := binary.Uvarint(plain)
		if width <= 0 || size > uint64(len(plain)-width) {
			return nil, fmt.Errorf("%w: a value longer than its pack", errDamaged)
		}
		plain = plain[width:]
		values = append(values, plain[:size:size])
		plain = plain[size:]
	}
	return values, nil
}
