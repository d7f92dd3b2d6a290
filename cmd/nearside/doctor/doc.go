// Package doctor examines a set-up, with or without a running daemon, and says
// of each part whether it is well and, when it is not, what to do. It changes
// nothing. Each check is a small function of plain inputs; only the names that
// the config gives are looked up and called.
package doctor
