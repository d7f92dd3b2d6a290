// Package asking is how people ask from the command line, and how they look at
// what would become of a question: ask, call and explain.
package asking

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/sse"
	"nearside/cmd/nearside/shell"
)

// askFlags are the wishes of one question.
type askFlags struct {
	mode     string
	model    string
	system   string
	private  bool
	deadline time.Duration
	maxCost  string
}

func (f *askFlags) add(c *cobra.Command, g *shell.Globals) {
	c.Flags().StringVar(&f.mode, "mode", "", "who may answer: auto, local or cloud")
	c.Flags().StringVar(&f.model, "model", "auto", "model name: auto, local, cloud, private, local/NAME or cloud/NAME")
	c.Flags().StringVar(&f.system, "system", "", "system prompt")
	f.addBounds(c)
	_ = c.RegisterFlagCompletionFunc("model", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return modelNames(c.Context(), g), cobra.ShellCompDirectiveNoFileComp
	})
	c.ValidArgsFunction = cobra.NoFileCompletions // a question
	_ = c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"auto", "local", "cloud"}, cobra.ShellCompDirectiveNoFileComp))
}

// longest is the longest deadline that the daemon takes.
const longest = time.Hour

// addBounds adds the flags that every service has.
func (f *askFlags) addBounds(c *cobra.Command) {
	c.Flags().BoolVar(&f.private, "private", false, "what is sent never leaves the device and is kept nowhere")
	c.Flags().DurationVar(&f.deadline, "deadline", 0, "how long the answer may take, such as 5s")
	c.Flags().StringVar(&f.maxCost, "max-cost", "", "most it may cost, in USD")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("deadline") && (f.deadline <= 0 || f.deadline > longest) {
			return shell.Usage("--deadline must be from 1ms to 1h, such as 5s")
		}
		return nil
	}
}

func (f *askFlags) header() http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set("x-nearside-mode", f.mode)
	set("x-nearside-max-cost", f.maxCost)
	if f.private {
		h.Set("x-nearside-privacy", "private")
	}
	if f.deadline > 0 {
		h.Set("x-nearside-deadline-ms", strconv.FormatInt(max(1, f.deadline.Milliseconds()), 10))
	}
	return h
}

func (f *askFlags) body(question string, stream bool) []byte {
	messages := []map[string]string{{"role": "user", "content": question}}
	if f.system != "" {
		messages = append([]map[string]string{{"role": "system", "content": f.system}}, messages...)
	}
	b, _ := json.Marshal(map[string]any{"model": f.model, "messages": messages, "stream": stream})
	return b
}

// question is the arguments joined, or standard input for "-" or none.
func question(c *cobra.Command, args []string) (string, error) {
	text := strings.Join(args, " ")
	if text == "" || text == "-" {
		if text == "" && shell.IsTerminal(c.InOrStdin()) {
			return "", shell.Usage("there is no question; see %s --help", c.CommandPath())
		}
		var err error
		if text, err = readInput(c); err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
	}
	if strings.TrimSpace(text) == "" {
		return "", shell.Usage("the question is empty")
	}
	return text, nil
}

// readInput reads standard input to its end. When the command is interrupted it
// does not wait for that: the program ends then, and with it what still reads.
func readInput(c *cobra.Command) (string, error) {
	type input struct {
		text []byte
		err  error
	}
	done := make(chan input, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 16<<20))
		done <- input{text, err}
	}()
	select {
	case in := <-done:
		return string(in.text), in.err
	case <-c.Context().Done():
		return "", c.Context().Err()
	}
}

// Ask is nearside ask.
func Ask(g *shell.Globals) *cobra.Command {
	f := &askFlags{}
	c := &cobra.Command{
		Use: "ask [QUESTION]", Short: "Ask, and see who answered and why",
		Long: "Ask one question. The answer streams to standard output; who answered, why and how\nlong it took goes to standard error. Without a question, or with -, standard input is read.",
		Example: `  nearside ask "What is the capital of France?"
  nearside ask --mode cloud --deadline 5s "Explain B-trees"
  nearside ask --private < notes.txt`,
		RunE: func(c *cobra.Command, args []string) error { return f.ask(c, g, args) },
	}
	f.add(c, g)
	return c
}

func (f *askFlags) ask(c *cobra.Command, g *shell.Globals, args []string) error {
	text, err := question(c, args)
	if err != nil {
		return err
	}
	start := time.Now()
	resp, err := g.Post(c.Context(), "/v1/chat/completions", f.body(text, !g.JSON), f.header())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if g.JSON {
		return printAnswer(c.OutOrStdout(), resp, time.Since(start))
	}
	if err := printStream(c.OutOrStdout(), resp); err != nil {
		return err
	}
	note(c.ErrOrStderr(), resp.Header, time.Since(start))
	return nil
}

// printAnswer prints a plain reply with what its headers say.
func printAnswer(w io.Writer, resp *http.Response, took time.Duration) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	answer, err := completion.Parse(body)
	if err != nil {
		return err
	}
	head := headOf(resp.Header, took)
	head["answer"] = answer.Text()
	return json.NewEncoder(w).Encode(head)
}

// printStream prints the text of a stream as it comes, and ends its last line
// whatever happens. Who answered is in the header, or in a comment at the end
// when the headers came before the answer.
func printStream(w io.Writer, resp *http.Response) error {
	events := &sse.Events{In: resp.Body}
	events.Comment = func(text string) { lateHeader(resp.Header, text) }
	err := copyText(w, events)
	_, unended := fmt.Fprintln(w)
	return cmp.Or(err, unended)
}

// lateHeader puts what the comment says of the answer into the header.
func lateHeader(h http.Header, comment string) {
	fields, ok := strings.CutPrefix(comment, "nearside ")
	if !ok {
		return
	}
	for field := range strings.FieldsSeq(fields) {
		if name, value, ok := strings.Cut(field, "="); ok {
			h.Set("x-nearside-"+name, value)
		}
	}
}

// copyText writes the text of a stream until its end mark.
func copyText(w io.Writer, events *sse.Events) error {
	for {
		data, err := events.Next()
		if err == io.EOF {
			return errors.New("the answer broke off")
		}
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if string(data) == "[DONE]" {
			return nil
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal(data, &chunk); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if chunk.Error != nil {
			return errors.New(chunk.Error.Message)
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		if _, err := io.WriteString(w, chunk.Choices[0].Delta.Content); err != nil {
			return err
		}
	}
}

// note prints who answered, why and how long it took, on one dim line.
func note(w io.Writer, h http.Header, took time.Duration) {
	parts := []string{h.Get("x-nearside-target"), h.Get("x-nearside-reason")}
	if parts[0] == "" {
		parts = parts[1:] // a default reply is nobody's
	}
	if route := h.Get("x-nearside-route"); route == "cache" || route == "stale" || route == "default" || route == "pending" {
		parts = append([]string{route}, parts...)
	}
	if age := h.Get("x-nearside-age"); age != "" {
		parts = append(parts, age+" s old")
	}
	if h.Get("x-nearside-degraded") == "1" {
		parts = append(parts, "not verified")
	}
	parts = append(parts, took.Round(time.Millisecond).String())
	line := strings.Join(parts, " · ")
	if shell.IsTerminal(w) && os.Getenv("NO_COLOR") == "" {
		line = "\x1b[2m" + line + "\x1b[0m"
	}
	fmt.Fprintln(w, line)
}
