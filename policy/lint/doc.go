// Package lint reads a policy as a sceptical colleague would: rules that can
// never matter, rules that work against each other, bands that do not steady
// anything, names that nothing has, thresholds that were never measured. What
// it says is judged by what conditions mean, not by how they are written.
package lint
