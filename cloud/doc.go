// Package cloud asks targets outside the device. They stand in for one
// another in a pool: a call goes to the best, a fault takes it to the next
// before anything is tried twice. Each target has a breaker that counts only
// its own faults, and what calls meet on the way is how the package knows
// whether there is a network at all.
package cloud
