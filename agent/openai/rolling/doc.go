// Package rolling keeps what the latest calls to one target were like: how long
// they took, how many failed, how many bytes of a prompt make a token. Local and
// cloud targets both have such figures, and may not know each other.
package rolling
