// Package daemon wires everything that runs and runs it: it alone knows all the
// parts. What operators see of the whole, status and health, is put together
// here too.
package daemon
