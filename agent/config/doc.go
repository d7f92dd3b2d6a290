// Package config turns YAML into values: the config of the daemon, and what
// `make setup` has installed. It is strict: an unknown or repeated key, a wrong
// type or a value that cannot work is an error that names the file, the line, the
// column, the key and what would be right, and all of them are reported at once.
// No secret is ever part of the values: keys are named by variable, file or
// command and read with [secret.Key.Resolve] when the daemon starts.
package config
