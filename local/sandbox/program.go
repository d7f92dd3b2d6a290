package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program lists what a command needs to read, as far as its words show: the
// files they name, what lies beside them, and the libraries of a program that
// is in a folder called bin. Not the whole of a home or of a temporary folder.
func Program(command []string) []string {
	var paths []string
	for i, word := range command {
		if i == 0 {
			if found, err := exec.LookPath(word); err == nil {
				word = found
			}
		}
		if _, value, ok := strings.Cut(word, "="); ok {
			word = value
		}
		if strings.Contains(word, "/") {
			paths = append(paths, named(word)...)
		}
	}
	return paths
}

// named lists what goes with the path, where it is and where it leads to.
func named(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // there is no such file, or it is no file at all
	}
	if path == real {
		return around(path)
	}
	return append(around(path), around(real)...)
}

func around(path string) []string {
	var paths []string
	dir := filepath.Dir(path)
	for _, p := range []string{path, dir} {
		if !broad(p) {
			paths = append(paths, p)
		}
	}
	if filepath.Base(dir) == "bin" {
		for _, name := range []string{"lib", "lib64", "libexec", "share", "pyvenv.cfg"} {
			paths = append(paths, filepath.Join(filepath.Dir(dir), name))
		}
	}
	return paths
}

// broad tells whether a folder holds what is nobody's business: everything, a
// home, other programs' temporary files, settings.
func broad(dir string) bool {
	for _, kept := range []string{os.Getenv("HOME"), os.TempDir(), "/tmp", "/root", "/home", "/etc", "/var", "/proc"} {
		rel, err := filepath.Rel(dir, kept)
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

// Env is what a program needs of our environment to run, and no secrets.
func Env() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
