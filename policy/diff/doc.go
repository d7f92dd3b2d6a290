// Package diff compares two policies by what they mean: settings that differ,
// rules that are there in one only, say something else or come in another order
// where that matters, and the asks that go elsewhere, over a grid of asks and
// situations made from everything that either policy tests.
package diff
