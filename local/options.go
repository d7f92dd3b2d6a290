package local

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"nearside/local/sandbox"
	"nearside/local/weights"
)

// Model is one entry of the catalogue: a file, and what it works best with.
type Model struct {
	Name     string
	File     string             // GGUF; not used with a URL
	SHA256   string             // hex; "" is taken at the first load, recorded and held
	Services []string           // what it can answer
	Context  int                // tokens; 0 is 4096
	System   string             // system prompt where the caller gave none
	Sampling map[string]float64 // sampling where the caller gave none
}

// Options say which models there are and how they are run.
type Options struct {
	Command []string // a llama-server; its flags are appended
	URL     string   // or an OpenAI-like server that somebody else runs
	Models  []Model
	Dir     string                                // private folder for the engines' sockets; short, since socket paths are
	Idle    time.Duration                         // an engine unused for this long is stopped; 0 is never
	Boot    bool                                  // start at once, not at the first ask
	Threads int                                   // 0 is all cores but one
	Memory  func() (available uint64, known bool) // of the device, in bytes; nil is not known
	Bound   uint64                                // bytes of memory an engine may have beside its model; 0 goes by the model
	Reads   []string                              // files and folders the engine may read beside what it is seen to need
	Open    bool                                  // the engine is not closed in
	Ledger  func() weights.Ledger                 // nil while there is none
	Changed func()                                // called when an engine's state changed; must not wait; nil is none
	Log     *slog.Logger
}

// tokens is the length of the model's context.
func (m *Model) tokens() int { return cmp.Or(m.Context, 4096) }

// cacheRAM bounds the engine's prompt cache, in MiB. Its own default is 8192.
const cacheRAM = 64

// command is the engine's command line. It asks for no spinning, which on busy
// cores slows everything down.
func (e *engine) command(socket string) []string {
	threads := e.opts.Threads
	if threads == 0 {
		threads = max(1, runtime.NumCPU()-1)
	}
	n := len(e.opts.Command)
	command := append(e.opts.Command[:n:n],
		"--model", e.model.File, "--alias", e.model.Name, "--host", socket,
		"--ctx-size", strconv.Itoa(e.model.tokens()), "--parallel", "1",
		"--threads", strconv.Itoa(threads), "--threads-batch", strconv.Itoa(threads),
		"--poll", "0", "--poll-batch", "0", "--cache-ram", strconv.Itoa(cacheRAM))
	if slices.Equal(e.model.Services, []string{"embed"}) {
		command = append(command, "--embeddings") // then it does nothing else
	}
	return command
}

// spec is how the engine is started: its command, the files it needs and the
// memory it may have.
func (e *engine) spec(socket string) (sandbox.Spec, error) {
	s := sandbox.Spec{
		Command: e.command(socket), Writes: []string{e.opts.Dir}, Open: e.opts.Open,
		Reads: slices.Concat(sandbox.Program(e.opts.Command), filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")), e.opts.Reads, []string{e.model.File}),
	}
	info, err := os.Stat(e.model.File)
	if err != nil {
		return s, fmt.Errorf("look at model: %w", err)
	}
	s.Memory, err = e.bound(uint64(info.Size()))
	return s, err
}
