package whole_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/cmd/nearside/whole"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, c := range []struct {
		content string
		mode    fs.FileMode
	}{{"first", 0o644}, {"second", 0o600}, {"", 0o644}} {
		if err := whole.Write(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		info, bad := os.Stat(path)
		if err != nil || bad != nil || string(got) != c.content || info.Mode() != c.mode {
			t.Errorf("got %q, %v, %v, want %q, %v", got, info.Mode(), err, c.content, c.mode)
		}
	}
	alone(t, dir)
}

// TestWriteFails: what is in the way stays as it is, and errors name the file
// that was meant.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		for _, err := range []error{whole.Fits(path), whole.Write(path, []byte("x"), 0o644)} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ".new-") {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
	missing := filepath.Join(dir, "missing", "a")
	f(missing, "create "+missing+": no such file")
	f(filepath.Join(dir, "folder"), "is a folder")
	f(filepath.Join(dir, strings.Repeat("a", 300)), "file name too long")
	f(os.DevNull, "is a link, a device or a pipe")
	alone(t, dir)
	link := filepath.Join(dir, "folder", "link") // as /dev/stdout is one
	if err := os.Symlink(filepath.Join(dir, "other"), link); err != nil {
		t.Fatal(err)
	}
	f(link, "is a link, a device or a pipe")
}

// alone sees that the folder has nothing but what was put there: one entry.
func alone(t *testing.T, dir string) {
	t.Helper()
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v in the folder, want one entry", all, err)
	}
}
