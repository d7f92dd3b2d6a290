// Package shelf keeps values by key in one table of a file: a backlog in front,
// from which they can be read at once, for one writer that commits it in batches; a
// filter in memory that knows which keys are not there; and removal of the oldest
// behind, by age and for room. Values that are much alike go in compressed packs.
package shelf
