package strict

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// pipeWait is how long a pipe has to say what it has to say.
const pipeWait = 10 * time.Second

// ReadFile reads a whole file of at most limit bytes; its errors name the file.
// A pipe has ten seconds: one to which nobody writes must not hold up a reload.
func ReadFile(path string, limit int64) ([]byte, error) {
	raw, err := ReadHead(path, limit+1)
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: is larger than %d KiB", path, limit>>10)
	}
	return raw, nil
}

// ReadHead is like [ReadFile] and gives what a longer file begins with.
func ReadHead(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe does not wait for a writer
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := io.LimitReader(f, limit)
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return readPipe(f, text)
	}
	return io.ReadAll(text)
}

// readPipe reads to the end of what the writer of a pipe says, and waits for it
// to begin.
func readPipe(f *os.File, text io.Reader) ([]byte, error) {
	end := time.Now().Add(pipeWait)
	if err := f.SetReadDeadline(end); err != nil {
		return nil, err
	}
	for time.Now().Before(end) {
		raw, err := io.ReadAll(text)
		if err != nil || len(raw) > 0 {
			return raw, err
		}
		time.Sleep(10 * time.Millisecond) // nobody has opened the other end yet
	}
	return nil, fmt.Errorf("%s: is a pipe, and nothing comes out of it", f.Name())
}
