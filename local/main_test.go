package local_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/local/sandbox"
)

// TestMain lets the test binary stand in for an engine that misbehaves on
// demand: `BINARY fake-engine MODE --host ... --model ...`. What a real engine
// does is tested with the real one, in cmd/nearside.
func TestMain(m *testing.M) {
	sandbox.Enter()
	if len(os.Args) > 2 && os.Args[1] == "fake-engine" {
		fakeEngine(os.Args[2], os.Args[3:])
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeEngine takes llama-server's flags. Modes: ok, old, older (versions), bad (exits
// while loading), greedy (takes 2 GiB first), slow (never ready), crash (dies at every ask), once (dies at
// the first ask of the file beside the model, then answers), hang (is well and
// never answers the question of the tests; a file beside the model shows that it
// was asked how it is since), narrow (takes few connections), empty (says
// nothing), and any other, such as echo (answers with the body it got).
func fakeEngine(mode string, args []string) {
	fs := flag.NewFlagSet("engine", flag.ExitOnError)
	host, model, version := fs.String("host", "", ""), fs.String("model", "", ""), fs.Bool("version", false, "")
	embeds := fs.Bool("embeddings", false, "")
	for _, name := range []string{"alias", "ctx-size", "parallel", "threads", "threads-batch", "poll", "poll-batch", "cache-ram"} {
		fs.String(name, "", "")
	}
	_ = fs.Parse(args)
	if *version {
		said := "version: 11549 (fake)"
		switch mode {
		case "old":
			said = "version: 9999 (old)"
		case "older":
			said = "version: 0.5.0-dev (build 9998, commit old)"
		}
		fmt.Fprintln(os.Stderr, said)
		return
	}
	if mode == "bad" {
		fmt.Fprintln(os.Stderr, "error: the model is rotten")
		os.Exit(1)
	}
	if mode == "greedy" {
		if _, err := syscall.Mmap(-1, 0, 2<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON); err != nil {
			fmt.Fprintln(os.Stderr, "error: failed to allocate 2 GiB:", err)
			os.Exit(1)
		}
	}
	l, err := net.Listen("unix", *host)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if mode == "hang" {
			_ = os.WriteFile(*model+".health", nil, 0o600)
		}
		if mode == "slow" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer(w, mode, *model, body)
	})
	mux.HandleFunc("/v1/embeddings", func(w http.ResponseWriter, r *http.Request) {
		if !*embeds {
			http.Error(w, "start it with --embeddings", http.StatusNotImplemented)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_ = os.WriteFile(*model+".asked", body, 0o600)
		_, _ = io.WriteString(w, `{"model":"tiny","data":[{"index":0,"embedding":[0.5,1]}],"usage":{"prompt_tokens":1,"total_tokens":1}}`)
	})
	if mode == "narrow" {
		narrow(l.(*net.UnixListener), mux)
	}
	_ = (&http.Server{Handler: mux, ReadHeaderTimeout: patience}).Serve(l)
}

// narrow serves one connection after the other, a request each, and lets five
// more wait; as with a real engine a request takes a moment.
func narrow(l *net.UnixListener, h http.Handler) {
	raw, _ := l.SyscallConn()
	_ = raw.Control(func(fd uintptr) { _ = syscall.Listen(int(fd), 5) })
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			<-time.After(10 * time.Millisecond)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			resp := w.Result()
			resp.Close = true
			_ = resp.Write(c)
		}
		c.Close()
	}
}

func answer(w http.ResponseWriter, mode, model string, body []byte) {
	switch mode {
	case "crash":
		os.Exit(9)
	case "once":
		if _, err := os.Stat(model + ".crashed"); err != nil {
			_ = os.WriteFile(model+".crashed", nil, 0o600)
			os.Exit(9)
		}
	case "hang":
		if strings.Contains(string(body), "Really?") {
			os.Remove(model + ".health")
			select {}
		}
	case "empty":
		body = nil
	}
	text, _ := json.Marshal(string(body))
	if strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%s},\"logprobs\":{\"content\":[{\"token\":\" yes\",\"logprob\":-0.1}]},\"finish_reason\":null}]}\n\n", text)
		fmt.Fprint(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
		return
	}
	fmt.Fprintf(w, `{"id":"c","model":"tiny","timings":{},"choices":[{"index":0,"message":{"role":"assistant","content":%s},"logprobs":{"content":[{"token":" yes","logprob":-0.1}]},"finish_reason":"stop"}]}`, text)
}
