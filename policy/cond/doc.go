// Package cond reasons about the conditions of a policy without running it:
// whether several can hold or fail at once, whether one is implied by another,
// and an example where it is so. It tries the values at, between and beyond the
// limits that the conditions name, which is enough to tell every case apart, and
// gives up after a bounded number of them.
package cond
