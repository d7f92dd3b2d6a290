package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size. Its text is a whole number, with KiB, MiB or GiB behind it
// or nothing.
type Bytes int64

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		*b = Bytes(n * u.bytes)
		return nil
	}
	return errors.New("must be a size, such as 256MiB, 64KiB or 4096")
}

// MarshalText writes a size with the largest unit that leaves a whole number.
func (b Bytes) MarshalText() ([]byte, error) {
	for _, u := range units {
		if b != 0 && int64(b)%u.bytes == 0 {
			return []byte(strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix), nil
		}
	}
	return []byte("0"), nil
}

// formatDuration is the shortest text that reads back the same: 168h, not 168h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
