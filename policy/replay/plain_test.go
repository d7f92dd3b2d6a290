//go:build !race

package replay_test

// explained: one of so many asks is explained.
const explained = 1
