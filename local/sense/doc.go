// Package sense reads the device: processor, memory, pressure, heat, battery,
// disk and the network's kind, a few times a minute, and whether any link is up,
// from the kernel's own events. What cannot be read is absent; it is neither
// zero nor good. What the host app says outranks what was sensed.
package sense
