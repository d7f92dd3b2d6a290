package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nearside/agent/config"
	"nearside/agent/config/secret"
	"nearside/agent/server/callers"
	"nearside/agent/server/listen"
	"nearside/store"
)

// checkSocket tells whether a daemon can listen at the socket.
func checkSocket(_ context.Context, p *Patient) []Finding {
	if err := listen.Examine(p.Config.Listen.Socket); err != nil {
		return []Finding{fail(err.Error(), "correct the folder, or set listen.socket")}
	}
	return []Finding{ok(p.Config.Listen.Socket)}
}

// checkHTTP tells whether the address is free for a daemon.
func checkHTTP(_ context.Context, p *Patient) []Finding {
	addr := p.Config.Listen.HTTP
	if addr == "" || p.Daemon != nil {
		return nil // it is off, or the daemon's
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return []Finding{fail("the address "+addr+" is taken", "stop what uses it (ss -ltnp shows it), or set listen.http")}
	}
	if err != nil {
		return []Finding{fail(err.Error(), "set listen.http to an address of this device, or to \"\" for none")}
	}
	l.Close()
	return []Finding{ok(addr + " is free")}
}

// soon is how long before its end a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// checkCertificates tells whether the certificate callers see is good now.
func checkCertificates(_ context.Context, p *Patient) []Finding {
	files := p.Config.Listen.TLS
	if files == nil {
		return nil
	}
	const hint = "put a new certificate and its key there, then run: nearside config reload"
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return []Finding{fail("listen.tls: "+err.Error(), hint)}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return []Finding{fail("listen.tls: "+err.Error(), hint)}
	}
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case p.Now.After(leaf.NotAfter):
		return []Finding{fail("the certificate "+files.Cert+" ended on "+until, hint)}
	case p.Now.Before(leaf.NotBefore):
		return []Finding{fail("the certificate "+files.Cert+" begins on "+leaf.NotBefore.UTC().Format(time.DateOnly), "set the clock, or take the certificate that is good now")}
	case leaf.NotAfter.Sub(p.Now) < soon:
		return []Finding{warn("the certificate "+files.Cert+" ends on "+until, hint)}
	}
	return []Finding{ok("listen.tls is good until " + until)}
}

// checkState tells whether the daemon can keep its files, alone.
func checkState(_ context.Context, p *Patient) []Finding {
	dir := p.Config.State
	const hint = "chown it to the daemon's user and chmod it to 0700, or set state"
	info, err := os.Stat(dir)
	switch {
	case dir == "":
		return []Finding{warn("there is no state folder: nothing outlasts a run", "set state")}
	case p.Daemon != nil:
		return nil // it knows best, since it may be another user's: see its conditions
	case errors.Is(err, fs.ErrNotExist):
		return stateToBe(dir)
	case err != nil:
		return []Finding{fail("the state folder: "+err.Error(), hint)}
	case !info.IsDir():
		return []Finding{fail(dir+" is not a folder", "remove it, or set state")}
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return []Finding{fail("the state folder "+dir+" cannot be written: "+err.Error(), hint)}
	}
	if why := store.Exposed(dir); why != "" {
		return []Finding{warn(why, hint)}
	}
	return []Finding{ok(dir)}
}

// stateToBe tells whether a state folder that is not there can be made.
func stateToBe(dir string) []Finding {
	near := existing(dir)
	if err := unix.Access(near, unix.W_OK|unix.X_OK); err != nil {
		return []Finding{fail("the state folder "+dir+" cannot be made in "+near+": "+err.Error(), "make it, for the daemon's user, with mode 0700, or set state")}
	}
	return []Finding{ok(dir + " will be made at the first start")}
}

// existing is the folder itself, or the nearest above it that is there.
func existing(dir string) string {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// checkDisk tells how much room there is where the state folder is.
func checkDisk(_ context.Context, p *Patient) []Finding {
	if p.Config.State == "" {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(existing(p.Config.State), &s); err != nil {
		return []Finding{warn("free room is not known: "+err.Error(), "look with: df "+p.Config.State)}
	}
	return []Finding{room(p.Config.State, s.Bavail*uint64(s.Bsize), s.Files, s.Ffree)}
}

// Least room with which the store works at all, and works well.
const (
	leastBytes  = 4 << 20
	enoughBytes = 64 << 20
	leastFiles  = 16
)

// room judges what is free on a filesystem; one that has no inodes counts none.
func room(dir string, free, files, filesFree uint64) Finding {
	hint := "free space where " + dir + " is, or set state"
	switch {
	case free < leastBytes:
		return fail(fmt.Sprintf("the disk of %s is full: %d KiB are free", dir, free>>10), hint)
	case files > 0 && filesFree < leastFiles:
		return fail(fmt.Sprintf("the disk of %s has no room for another file: %d inodes are free", dir, filesFree), "remove small files where "+dir+" is, or set state")
	case free < enoughBytes:
		return warn(fmt.Sprintf("the disk of %s has little room: %d MiB are free", dir, free>>20), hint)
	}
	return ok(fmt.Sprintf("%d MiB are free", free>>20))
}

// checkStore reads the files of the store when no daemon has them open.
func checkStore(ctx context.Context, p *Patient) []Finding {
	if info, none := os.Stat(p.Config.State); none != nil || !info.IsDir() || p.Daemon != nil {
		return nil // there is none yet, or the daemon has it open
	}
	err := store.Check(ctx, p.Config.State)
	switch {
	case errors.Is(err, store.ErrLocked):
		return []Finding{fail("another process has "+p.Config.State+" open, and no daemon answers at the socket", "stop it, or ask it at its own socket with --socket")}
	case errors.Is(err, store.ErrUnsettled):
		return []Finding{ok(err.Error())}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{warn("the store cannot be read: "+err.Error(), "run doctor as the daemon's user")}
	case errors.Is(err, store.ErrDamaged):
		return []Finding{warn("the store is damaged: "+err.Error(), "the daemon moves it aside at its next start and begins anew; check the disk")}
	case err != nil:
		return []Finding{fail("the store cannot be opened: "+err.Error(), "the daemon would answer and remember nothing; move away what is there, check the disk, or set state")}
	}
	return []Finding{ok("its files are whole")}
}

// checkSecrets tells whether tokens are there, and who may read the files in
// which they and keys are.
func checkSecrets(ctx context.Context, p *Patient) []Finding {
	all := tokens(ctx, p)
	for _, path := range secretFiles(p.Config) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			all = append(all, warn(path+" cannot be looked at: "+err.Error(), "run doctor as the daemon's user"))
		case err != nil:
			all = append(all, fail("a key is to be in "+path+", and: "+err.Error(), "put it there, with mode 0600, or correct the config"))
		case info.Mode().Perm()&0o077 != 0:
			all = append(all, warn(fmt.Sprintf("%s holds a secret and is open to others: its mode is %04o", path, info.Mode().Perm()), "chmod 600 "+path))
		default:
			all = append(all, ok(path))
		}
	}
	return all
}

// tokens tells which tokens of callers cannot be had, or cannot tell callers
// apart. The environment of a running daemon is its own.
func tokens(ctx context.Context, p *Patient) []Finding {
	if p.Daemon != nil {
		return nil
	}
	const hint = "put a token there; without it the daemon does not start"
	var all []Finding
	read := func(k secret.Key, place string) string {
		secret, err := k.Resolve(ctx)
		if err != nil && !unopened(k, err) {
			all = append(all, fail(place+": "+err.Error(), hint))
		}
		return secret
	}
	rules := callers.Rules{Token: read(p.Config.Listen.Token, "listen.token")}
	for i, c := range p.Config.Callers {
		rules.Listed = append(rules.Listed, callers.Rule{Token: read(c.Token, fmt.Sprintf("callers[%d].token", i))})
	}
	if err := rules.Check(); err != nil {
		all = append(all, fail(err.Error(), hint))
	}
	return all
}

// unopened tells that a file is at fault, which is said of it with all files.
func unopened(k secret.Key, err error) bool {
	return k.File != "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission))
}

func secretFiles(c *config.Config) []string {
	keys := []secret.Key{c.Listen.Token}
	for _, t := range c.Cloud.Targets {
		keys = append(keys, t.Key)
	}
	for _, caller := range c.Callers {
		keys = append(keys, caller.Token)
	}
	for _, k := range c.Remote.Keys() {
		keys = append(keys, *k)
	}
	var files []string
	for _, k := range keys {
		if k.File != "" {
			files = append(files, k.File)
		}
	}
	if c.Listen.TLS != nil {
		files = append(files, c.Listen.TLS.Key)
	}
	if r := c.Remote; r != nil && r.MQTT != nil && r.MQTT.Key != "" {
		files = append(files, r.MQTT.Key)
	}
	return files
}
