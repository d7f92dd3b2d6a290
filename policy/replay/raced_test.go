//go:build race

package replay_test

// explained: one of so many asks is explained. What would change a plan takes
// hundreds of decisions, and each is ten times slower under the race detector.
const explained = 20
