// Package schema checks JSON against a JSON Schema. Schemas come from callers,
// too, so that everything about one is bounded: its size and depth, its
// patterns, and the work of a check, since a few short definitions that name
// each other can cost more steps than a day has. Nothing is ever fetched: a
// $ref leads to the schema itself or is refused.
package schema
