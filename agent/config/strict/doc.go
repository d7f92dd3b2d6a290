// Package strict reads YAML into Go values and lets nothing pass that was
// probably not meant: unknown and repeated keys, wrong types, keys without a
// value. Every fault names file, line, column and path, and all are reported at
// once. Anchors, aliases, tags and very deep or long texts are refused, so that a
// hostile text costs no more than a plain one. No value is repeated in an error,
// since it may be a secret.
package strict
