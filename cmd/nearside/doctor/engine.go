package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"nearside/agent/config"
	"nearside/agent/openai/client"
	"nearside/agent/openai/fault"
	"nearside/local"
	"nearside/local/sense"
	"nearside/local/weights"
)

// How long the engine may take.
const (
	loadLimit  = time.Minute
	replyLimit = 5 * time.Second
)

// checkModels holds every model file to its checksum.
func checkModels(_ context.Context, p *Patient) []Finding {
	l := p.Config.Local
	switch {
	case l.Disabled:
		return []Finding{ok("the local engine is switched off in the config")}
	case l.Engine.URL != "":
		return nil
	case len(l.Models) == 0:
		return []Finding{warn("there is no local model, so nothing is answered on the device", "run make setup, or list one under local.models")}
	}
	var all []Finding
	for _, m := range l.Models {
		all = append(all, model(m))
	}
	return all
}

func model(m config.Model) Finding {
	sum, err := weights.Sum(m.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(m.Name+": the model file "+m.File+" is not there", "run make setup, or correct local.models")
	case err != nil:
		return fail(m.Name+": the model cannot be read: "+err.Error(), "let the daemon's user read it")
	case sum == m.SHA256:
		return ok(m.Name + ": there, with the right checksum")
	case m.SHA256 == "":
		return unnamed(m)
	}
	return fail(fmt.Sprintf("%s: the model file %s has SHA-256 %.12s..., not %.12s...", m.Name, m.File, sum, m.SHA256), "restore the file (make setup does), or correct its sha256 under local.models")
}

// unnamed is what is found of a model file, which can be read, without a checksum.
func unnamed(m config.Model) Finding {
	if begins, known := beginning(m.File); known && begins != "GGUF" {
		return warn(fmt.Sprintf("%s: the model file %s is no GGUF file: it begins with %q", m.Name, m.File, begins), "fetch it again (make setup does), or correct local.models")
	}
	return ok(m.Name + ": there, held to the checksum of its first load")
}

// beginning is what a file begins with, of a model the word GGUF.
func beginning(path string) (text string, known bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	first := make([]byte, 4)
	n, err := io.ReadFull(f, first)
	return string(first[:n]), err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// checkGate tells whether the gate of the config can be used. Of a running
// daemon's it says so itself.
func checkGate(_ context.Context, p *Patient) []Finding {
	switch {
	case p.Config.Local.Gate == nil || p.Daemon != nil:
		return nil
	case p.Gate != nil:
		return []Finding{warn("the daemon will work without its gate: "+p.Gate.Error(), "train it again (nearside gate train), or correct local.gate")}
	}
	return []Finding{ok(p.Config.Local.Gate.Source() + " can be used")}
}

// ownModels tells whether this device has models to run.
func ownModels(c *config.Config) bool {
	return !c.Local.Disabled && c.Local.Engine.URL == "" && len(c.Local.Models) > 0
}

// checkMemory compares what is free with what the largest model needs.
func checkMemory(ctx context.Context, p *Patient) []Finding {
	if !ownModels(p.Config) || p.Daemon != nil && p.Daemon.Engine.PID != nil {
		return nil // none is needed, or the model is in it already
	}
	var largest int64
	for _, m := range p.Config.Local.Models {
		if info, err := os.Stat(m.File); err == nil {
			largest = max(largest, info.Size())
		}
	}
	free, known := availableMemory(ctx)
	if !known {
		return []Finding{warn("free memory is not known", "make sure that /proc is mounted")}
	}
	return []Finding{memory(free, largest)}
}

// memory judges what is free for a model: its file is mapped, and beside it the
// engine needs room for the context.
func memory(free, model int64) Finding {
	const beside = 192 << 20
	need := model + beside
	if free < need {
		return warn(fmt.Sprintf("%d MiB of memory are free; the largest model needs about %d", free>>20, need>>20), "end something else, or list a smaller model or context")
	}
	return ok(fmt.Sprintf("%d MiB are free; the largest model needs about %d", free>>20, need>>20))
}

// availableMemory is what is left within the limits of this process, in bytes.
func availableMemory(ctx context.Context) (int64, bool) {
	mb, known := sense.New(sense.Options{}).Sample(ctx, time.Now())[sense.Memory].Value.(float64)
	return int64(mb) << 20, known
}

// checkEngine tells whether there is an engine that starts with the model. Of
// a running daemon's it takes the daemon's word, so that no second one starts.
func checkEngine(ctx context.Context, p *Patient) []Finding {
	l := p.Config.Local
	switch {
	case l.Disabled:
		return nil
	case l.Engine.URL != "":
		return []Finding{engineAt(ctx, l.Engine.URL)}
	case len(l.Engine.Command) == 0:
		return []Finding{fail("there is no engine", "run make setup, or name a llama-server under local.engine.command")}
	}
	all := []Finding{build(ctx, l.Engine.Command)}
	switch {
	case all[0].Verdict == Fail || len(l.Models) == 0:
	case p.Daemon != nil:
		all = append(all, ok("the daemon's is "+cmp.Or(p.Daemon.Engine.State, "not known")))
	default:
		all = append(all, load(ctx, p.Engine)...)
	}
	return all
}

// build judges the engine's program.
func build(ctx context.Context, command []string) Finding {
	n, err := local.Build(ctx, command)
	switch {
	case err != nil:
		return fail(err.Error(), "run make setup, or name a llama-server of build 11393 or newer under local.engine.command")
	case n == 0:
		return warn("the engine "+command[0]+" does not tell its build", "make sure that it is a llama-server of build 11393 or newer")
	}
	return ok(fmt.Sprintf("%s is build %d", command[0], n))
}

// engineAt asks a server that somebody else runs for a sign of life.
func engineAt(ctx context.Context, url string) Finding {
	ctx, cancel := context.WithTimeout(ctx, replyLimit)
	defer cancel()
	engine := client.Client{Base: url, HTTP: &http.Transport{DisableKeepAlives: true}}
	var refused *fault.Error
	err := engine.Ping(ctx)
	switch {
	case errors.As(err, &refused):
		return fail("the server at "+url+" does not give its list of models: "+err.Error(), "correct local.engine.url, which mostly ends with /v1; the server must ask for no key")
	case errors.Is(err, fault.ErrBroken):
		return fail("what answers at "+url+" is no such server: "+err.Error(), "correct local.engine.url, which mostly ends with /v1")
	case err != nil:
		return fail("nobody answers at "+url+": "+err.Error(), "start the server there, or correct local.engine.url")
	}
	return ok("the server at " + url + " answers")
}

// load starts the engine with the first model, as a daemon would, and ends it.
func load(ctx context.Context, o local.Options) []Finding {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	dir, cleanup, err := local.SocketFolder("")
	if err != nil {
		return []Finding{fail(err.Error(), "set TMPDIR")}
	}
	defer cleanup()
	o.Dir, o.Boot, o.Models = dir, true, o.Models[:1]
	o.Ledger, o.Log = func() weights.Ledger { return nil }, slog.New(slog.DiscardHandler)
	l := local.New(o)
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { _ = l.Run(running); close(ended) }()
	start := time.Now()
	why := settled(ctx, l)
	gaps := l.Status()[0].Gaps
	took := time.Since(start)
	stop()
	<-ended
	if why != "" {
		return []Finding{fail("the engine does not start with "+o.Models[0].Name+": "+why, "check the model with: nearside model verify, or run make setup")}
	}
	all := []Finding{ok(fmt.Sprintf("starts with %s within %d ms", o.Models[0].Name, took.Milliseconds()))}
	for _, g := range gaps {
		all = append(all, ok("it is not closed in as it might be ("+g.What+"): "+g.Why))
	}
	return all
}

// settled waits until the engine is ready or will not be, and says why not.
func settled(ctx context.Context, l *local.Local) (why string) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		s := l.Status()[0]
		switch {
		case s.State == local.Ready:
			return ""
		case s.State != local.Starting && s.Why != "": // broken, crashed, left alone
			return strings.TrimSpace(s.Why)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Sprintf("it is not ready after %v", loadLimit)
		}
	}
}
