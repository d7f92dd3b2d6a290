// Package inplace reads JSON (RFC 8259) where it lies. That is what keeps a
// request and its reply cheap: both are checked once, read for a few fields and
// passed on as they are, where encoding/json would take them apart and put them
// together again. What is written here is as encoding/json writes it. Fuzzing
// holds both to encoding/json.
package inplace
