package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Names of the engines' sockets.
const (
	socketPrefix = "engine-"
	socketSuffix = ".sock"
)

// sweep removes the sockets of engines that are gone, as a killed daemon leaves
// them: those at which nobody listens.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, socketPrefix+"*"+socketSuffix))
	for _, socket := range left {
		conn, err := net.Dial("unix", socket)
		switch {
		case err == nil:
			conn.Close()
		case errors.Is(err, syscall.ECONNREFUSED):
			os.Remove(socket)
		}
	}
}

// maxFolder leaves room for a socket's name: the kernel takes 107 bytes.
const maxFolder = 60

// SocketFolder is a private folder for the engines' sockets: in the state
// folder where there is one that can be written and its path is short, else a
// temporary one.
func SocketFolder(state string) (dir string, cleanup func(), err error) {
	dir = filepath.Join(state, "run")
	if state != "" && len(dir) <= maxFolder && os.MkdirAll(dir, 0o700) == nil && writable(dir) {
		return dir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "nearside-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for engine sockets: %w; set TMPDIR to one that can be written", err)
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

func writable(dir string) bool { return syscall.Access(dir, 2) == nil }
