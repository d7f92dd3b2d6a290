package shelf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"nearside/store/file"
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
	pack   int64
	values [][]byte      // of it; nil: there was none yet
	flate  io.ReadCloser // nil before the first
	plain  int           // bytes that the last one had
}

// errNoPack says that a record's pack is not there any more.
var errNoPack = errors.New("its pack is gone")

// value is the value at this place of a pack, whose bytes are needed when it is
// another one than last time; they are not kept.
func (u *unpacker) value(pack int64, packed []byte, place int) ([]byte, error) {
	if u.values == nil || u.pack != pack {
		if packed == nil {
			return nil, errNoPack
		}
		values, err := u.unpack(packed)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		u.pack, u.values = pack, values
	}
	if place < 0 || place >= len(u.values) {
		return nil, fmt.Errorf("%w: nothing at place %d of a pack of %d", file.ErrDamaged, place, len(u.values))
	}
	return u.values[place], nil
}

// Of a pack of which nothing is known: how many times larger its records are,
// mostly, and how many bytes of them are made room for at most.
const (
	usualRatio = 8
	usualPack  = 256 << 10
)

func (u *unpacker) unpack(packed []byte) ([][]byte, error) {
	u.rewind(packed)
	var b bytes.Buffer
	b.Grow(max(min(usualRatio*len(packed), usualPack), u.plain+u.plain/8) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(u.flate, maxPackBytes)); err != nil {
		return nil, err
	}
	u.plain = b.Len()
	return split(b.Bytes())
}

// rewind has the decompressor, which is dear to make, begin with a pack.
func (u *unpacker) rewind(packed []byte) {
	if again, ok := u.flate.(flate.Resetter); ok && again.Reset(bytes.NewReader(packed), nil) == nil {
		return
	}
	u.flate = flate.NewReader(bytes.NewReader(packed))
}

// split is the values of a pack, each behind its length.
func split(plain []byte) ([][]byte, error) {
	values := make([][]byte, 0, insertPiece)
	for len(plain) > 0 {
		size, width := binary.Uvarint(plain)
		if width <= 0 || size > uint64(len(plain)-width) {
			return nil, fmt.Errorf("%w: a value longer than its pack", file.ErrDamaged)
		}
		plain = plain[width:]
		values = append(values, plain[:size:size])
		plain = plain[size:]
	}
	return values, nil
}
