// Package feed keeps the latest of what goes on, bounded, and tells it as
// server-sent events to those who listen. Whoever publishes never waits: a
// listener that does not keep up is let go and counted.
package feed
