// Package kinds reads the signed documents that are no policy: a gate, tables of
// calibration, prices, changes to cloud targets. Each is held to its bounds,
// fields named, and then laid over the config of this device, never into it:
// what the device was given by hand stays below, and binds. A document cannot
// lower a price, lead a key to another host, bring a secret, or switch on what is
// switched off here.
package kinds
