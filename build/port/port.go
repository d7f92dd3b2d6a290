// Package port finds ports for what has to be told one before it listens, such
// as a broker of others, or that closes and comes back to the same. A port that
// the kernel gave is its to give to anybody else in between; these it gives to
// nobody who did not ask for them by number.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The range lies below the one that Linux gives ports from when not told
// otherwise, and above what services have by custom.
const (
	first = 20_000
	after = 32_768
	tries = 100
)

// Free is a port on loopback at which nobody listens. The error is that of the
// last of many that were tried.
func Free() (int, error) {
	var err error
	for range tries {
		port := first + rand.IntN(after-first)
		l, taken := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if taken == nil {
			return port, l.Close()
		}
		err = taken
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// Address is HOST:PORT of a free port on loopback.
func Address() (string, error) {
	port, err := Free()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
