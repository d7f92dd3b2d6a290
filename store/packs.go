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

// usualScratch is more than a record usually takes.
const usualScratch = 64 << 10

// packer compresses values that are much alike into packs. Only the writer may
// use it.
type packer struct {
	flate  *flate.Writer
	packed bytes.Buffer // takes all that is written to it
	record []byte       // the last one
	length []byte       // of it
}

func newPacker() *packer {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // only of a level that does not exist
	}
	p := &packer{flate: w}
	w.Reset(&p.packed)
	return p
}

// add puts one more value into the pack, behind its length, unless it takes more
// bytes than most.
func (p *packer) add(e *entry, most int64) bool {
	if cap(p.record) > usualScratch {
		p.record = nil
	}
	p.record = e.appendTo(p.record[:0])
	if int64(len(p.record)) > most {
		return false
	}
	p.length = binary.AppendUvarint(p.length[:0], uint64(len(p.record)))
	p.flate.Write(p.length)
	p.flate.Write(p.record)
	return true
}

// pack is what was added since the last one, compressed.
func (p *packer) pack() []byte {
	p.flate.Close()
	pack := bytes.Clone(p.packed.Bytes())
	p.packed.Reset()
	p.flate.Reset(&p.packed)
	return pack
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
