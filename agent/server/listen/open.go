package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options say where to listen.
type Options struct {
	Socket string       // path
	HTTP   string       // host:port, "" is off
	TLS    *Certificate // of HTTP; nil is none
	Each   int          // connections at once for either; 0 is no bound
}

// Open opens the Unix socket and, unless HTTP is "", TCP. The folder of the
// socket is made when absent; one in which others could replace the socket is
// refused, and left as it is.
func Open(o Options) ([]net.Listener, error) {
	unix, err := takeSocket(o.Socket)
	if err != nil {
		return nil, err
	}
	all := []net.Listener{Bound(unix, o.Each)}
	if o.HTTP == "" {
		return all, nil
	}
	tcp, err := net.Listen("tcp", o.HTTP)
	if err != nil {
		return nil, errors.Join(tcpFault(o.HTTP, err), unix.Close())
	}
	way := Bound(tcp, o.Each)
	if o.TLS != nil {
		way = secure{tls.NewListener(way, o.TLS.config()), way}
	}
	return append(all, way), nil
}

// takeSocket makes the socket in the place of one that a killed daemon left.
// Daemons that start at the same moment take turns, so that none removes what
// another has just made.
func takeSocket(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := prepareFolder(dir); err != nil {
		return nil, err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the socket: %w; %s", err, elsewhere)
	}
	defer folder.Close() // and the turn ends
	awaitTurn(folder)
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	return openUnix(path)
}

// awaitTurn takes a lock on the folder. It waits for a moment only: in a folder
// for everybody, anybody could hold the lock.
func awaitTurn(folder *os.File) {
	const tries, pause = 100, 10 * time.Millisecond
	for range tries {
		if syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return
		}
		time.Sleep(pause)
	}
}

func tcpFault(addr string, err error) error {
	const hint = "choose another with --http ADDR (\"\" is off)"
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s is taken; stop what uses it, or %s", addr, hint)
	}
	return fmt.Errorf("listen on %s: %w; %s", addr, err, hint)
}

// openUnix makes the socket, for the owner and the group only.
func openUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another with --socket PATH", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("set the mode of %s: %w", path, err), l.Close())
	}
	return l, nil
}

const elsewhere = "choose another place with --socket PATH"

// prepareFolder makes the folder, for the owner alone where everybody may write
// beside it, and looks at what is there then.
func prepareFolder(dir string) error {
	mode := fs.FileMode(0o750)
	if strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/") {
		mode = 0o700
	}
	err := os.MkdirAll(dir, mode)
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s is not a folder; %s", dir, elsewhere)
	}
	if err != nil {
		return fmt.Errorf("make the folder of the socket: %w; %s", err, elsewhere)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder of the socket: %w", err)
	}
	return checkFolder(dir, info)
}

// checkFolder refuses a folder in which somebody else could put another socket
// in the place of ours.
func checkFolder(dir string, info fs.FileInfo) error {
	const danger = "so that others could answer in this daemon's place"
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("the folder of the socket, %s, belongs to user %d, %s; %s", dir, owner.Uid, danger, elsewhere)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("everybody may write to the folder of the socket, %s, %s; chmod o-w it, or %s", dir, danger, elsewhere)
	}
	return nil
}

// clearSocket removes what a killed daemon left, and only that.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the socket: %w", err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is not a socket; remove it, or choose another with --socket PATH", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another daemon already answers at %s; stop it, or choose another with --socket PATH", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("something holds %s: %w; choose another with --socket PATH", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket of a dead daemon: %w", err)
	}
	return nil
}
