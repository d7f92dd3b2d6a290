// Package listen opens the ways in: the Unix socket, TCP, and TLS over it. It
// bounds how many connections each may have at once, so that whoever opens
// too many takes no descriptor from the rest of the daemon. Deadlines on its
// connections reach the poller only when they may come to count.
package listen
