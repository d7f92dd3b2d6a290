package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"unicode/utf8"
)

// maxLine bounds one row of data.
const maxLine = 1 << 20

// mark is of the order of bytes, which UTF-8 does not need.
const mark = "\xef\xbb\xbf"

// row is one JSON object; check tells which field is missing or wrong.
type row interface{ check() error }

// rows reads a file of JSON lines, compressed by gzip. Empty lines are left
// out; a row that is not as it must be is an error with file and line.
func rows[T row](file string) ([]T, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out []T
	lines, line := bufio.NewScanner(plain), 1
	for lines.Buffer(nil, maxLine); lines.Scan(); line++ {
		text := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte(mark)))
		if len(text) == 0 {
			continue
		}
		r, err := read[T](text)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
		out = append(out, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, line, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no rows", file)
	}
	return out, nil
}

// read reads one row.
func read[T row](text []byte) (r T, err error) {
	if !utf8.Valid(text) {
		return r, errors.New("is not UTF-8")
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	return r, r.check()
}
