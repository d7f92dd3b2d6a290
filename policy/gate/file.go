package gate

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// A gate's file is: magic, version (2 bytes), length of the whole file (8),
// length of the header (4), the header in JSON, the tables compressed by
// DEFLATE, and the SHA-256 of everything before it. Numbers are big-endian.
const (
	magic     = "NSGATE"
	version   = 1
	prefix    = len(magic) + 2 + 8 + 4
	maxHeader = 1 << 20
	maxFile   = 64 << 20
)

// header is what a gate's file says of its tables.
type header struct {
	Intents []string  `json:"intents"`
	Scale   []float32 `json:"scale"`
	Bias    []float32 `json:"bias"`
	Rows    int       `json:"rows"` // of weights, the first one is all zero
	Judge   judge     `json:"judge"`
	About   About     `json:"about"`
}

// tables are, in the order of the file: the rarity of each bucket, a bit for
// each bucket that has a row of its own, a bit for each with a known word, for
// each intent a bit for each bucket of its examples, and the rows of weights but
// the first.
func (h *header) tables() int {
	return buckets + (2+len(h.Intents))*len(bits{}) + (h.Rows-1)*len(h.Intents)
}

// Encode writes the gate as a file. The same gate gives the same bytes.
func (g *Gate) Encode() ([]byte, error) {
	n := len(g.intents)
	head, err := json.Marshal(header{g.intents, g.scale, g.bias, len(g.weights) / n, g.judge, g.about})
	if err != nil {
		return nil, fmt.Errorf("write the gate's header: %w", err)
	}
	var out bytes.Buffer
	out.WriteString(magic)
	out.Write(make([]byte, prefix-len(magic)))
	out.Write(head)
	if err := g.deflate(&out); err != nil {
		return nil, fmt.Errorf("compress the gate's tables: %w", err)
	}
	data := out.Bytes()
	binary.BigEndian.PutUint16(data[6:], version)
	binary.BigEndian.PutUint64(data[8:], uint64(len(data)+sha256.Size))
	binary.BigEndian.PutUint32(data[16:], uint32(len(head)))
	sum := sha256.Sum256(data)
	return append(data, sum[:]...), nil
}

func (g *Gate) deflate(out *bytes.Buffer) error {
	w, err := flate.NewWriter(out, flate.BestCompression)
	if err != nil {
		return err
	}
	var own bits
	for b, row := range g.rows {
		if row != 0 {
			own.add(uint16(b))
		}
	}
	rows := make([]byte, len(g.weights)-len(g.intents))
	for i, v := range g.weights[len(g.intents):] {
		rows[i] = byte(v)
	}
	tables := [][]byte{g.rare[:], own[:], g.words[:]}
	for i := range g.met {
		tables = append(tables, g.met[i][:])
	}
	for _, table := range append(tables, rows) {
		if _, err := w.Write(table); err != nil {
			return err
		}
	}
	return w.Close()
}

// Read makes a gate of a file's bytes. Its error says whether the file is none
// of a gate, of another version, cut, or altered.
func Read(data []byte) (*Gate, error) {
	head, packed, err := open(data)
	if err != nil {
		return nil, err
	}
	h := &header{}
	if err := json.Unmarshal(head, h); err != nil {
		return nil, fmt.Errorf("the header of the gate file is broken: %w", err)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("the header of the gate file is broken: %w", err)
	}
	tables, err := inflate(packed, h.tables())
	if err != nil {
		return nil, fmt.Errorf("the tables of the gate file are broken: %w", err)
	}
	return h.gate(tables)
}

// open checks the frame of a file.
func open(data []byte) (head, packed []byte, err error) {
	switch {
	case len(data) < len(magic) || string(data[:len(magic)]) != magic:
		return nil, nil, fmt.Errorf("this is not a gate file: it does not begin with %s", magic)
	case len(data) < prefix+sha256.Size:
		return nil, nil, fmt.Errorf("the gate file is cut: it ends after %d bytes", len(data))
	case binary.BigEndian.Uint16(data[6:]) != version:
		return nil, nil, fmt.Errorf("the gate file has version %d, this program reads %d; train it again", binary.BigEndian.Uint16(data[6:]), version)
	case len(data) > maxFile:
		return nil, nil, fmt.Errorf("the gate file has %d bytes; %d is the most", len(data), maxFile)
	}
	if want := binary.BigEndian.Uint64(data[8:]); uint64(len(data)) < want {
		return nil, nil, fmt.Errorf("the gate file is cut: it has %d of %d bytes", len(data), want)
	}
	body, sum := data[:len(data)-sha256.Size], [sha256.Size]byte(data[len(data)-sha256.Size:])
	n := int(binary.BigEndian.Uint32(data[16:]))
	if sha256.Sum256(body) != sum || n > min(maxHeader, len(body)-prefix) {
		return nil, nil, fmt.Errorf("the gate file was altered: its checksum does not fit")
	}
	return body[prefix : prefix+n], body[prefix+n:], nil
}

// check holds a header to its bounds.
func (h *header) check() error {
	n := len(h.Intents)
	switch {
	case n < 2 || n > maxIntents:
		return fmt.Errorf("intents: there are %d, there must be 2 to %d", n, maxIntents)
	case len(h.Scale) != n || len(h.Bias) != n:
		return fmt.Errorf("scale, bias: must have one number per intent")
	case h.Rows < 1 || h.Rows > buckets:
		return fmt.Errorf("rows: is %d, must be 1 to %d", h.Rows, buckets)
	}
	return errors.Join(bounded("scale", h.Scale), bounded("bias", h.Bias), h.Judge.check())
}

// bounded holds numbers to what a sum of them can bear.
func bounded(name string, list []float32) error {
	for i, v := range list {
		if !(v >= -1000 && v <= 1000) {
			return fmt.Errorf("%s[%d]: is %g, must be from -1000 to 1000", name, i, v)
		}
	}
	return nil
}

func (j *judge) check() error {
	for i := range j.Spread {
		if !(j.Spread[i] >= leastSpread && j.Spread[i] <= 1e6 && math.Abs(j.Mean[i]) <= 1e6 && math.Abs(j.Weight[i]) <= 1e6) {
			return fmt.Errorf("judge: sign %d is out of bounds", i)
		}
	}
	return nil
}

// inflate unpacks exactly n bytes.
func inflate(packed []byte, n int) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(packed))
	out := make([]byte, n+1) // one more than there may be
	have := 0
	for have < len(out) {
		got, err := r.Read(out[have:])
		have += got
		if err != nil && have == n {
			return out[:n:n], r.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("%d of %d bytes: %w", have, n, err)
		}
	}
	return nil, fmt.Errorf("more than %d bytes", n)
}

// gate takes the tables apart.
func (h *header) gate(tables []byte) (*Gate, error) {
	g := &Gate{
		intents: h.Intents, scale: h.Scale, bias: h.Bias, judge: h.Judge, about: h.About,
		rare: new(rarity), rows: make([]uint16, buckets), weights: make([]int8, h.Rows*len(h.Intents)), met: make([]bits, len(h.Intents)),
	}
	// All of it is copied: a slice would keep the tables in memory.
	var own bits
	rest := tables[copy(g.rare[:], tables):]
	rest = rest[copy(own[:], rest):]
	rest = rest[copy(g.words[:], rest):]
	for i := range g.met {
		rest = rest[copy(g.met[i][:], rest):]
	}
	for i, v := range rest {
		g.weights[len(h.Intents)+i] = int8(v)
	}
	row := 0
	for b := range g.rows {
		if own.has(uint16(b)) {
			row++
			g.rows[b] = uint16(min(row, h.Rows-1))
		}
	}
	if row != h.Rows-1 {
		return nil, fmt.Errorf("the tables of the gate file are broken: %d buckets have a row, there are %d rows", row, h.Rows-1)
	}
	return g, nil
}
