// Package cases runs the tests that an operator writes for a policy: an ask and
// signals go in, and the plan that comes out is held against what is wanted of
// it. It is pure: who reads the file and who prints the results is elsewhere.
package cases
