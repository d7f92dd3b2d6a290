// Package simulate is a fleet of light devices for rehearsals and load tests.
// Each has a real session with a real broker, verifies what comes, keeps the
// real record of the real state machine and reports as a device does; what it
// lacks is a store on disk and an engine. What comes of its asks is made up, by
// the policy in force, from a small world: a device that knows simple answers, a
// cloud that knows all, and tasks that are one or the other.
package simulate
